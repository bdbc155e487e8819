"""Columns come from the questions: MMAD's seven for its nine types, one for each type of any other set."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mmad_rag
from mmad_rag.benchmark.data.columns import AVERAGE, Columns, Subject, own_columns
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.benchmark.data.question_sets import columns_named, columns_of, headings_of
from mmad_rag.benchmark.data.question_types import MOST_TYPES, TypeReader
from mmad_rag.errors import DataError
from tests.support.bench import question

PACKAGE = Path(mmad_rag.__file__).parent


# --- columns


@pytest.mark.parametrize(
    "names", [(), ("Object Analysis",), ("Defect Analysis", "Anomaly Detection"), MMAD_COLUMNS.names]
)
def test_mmads_subtasks_have_all_of_mmads_columns(names: tuple[str, ...]) -> None:
    assert columns_named(names) is MMAD_COLUMNS


def test_the_headings_of_mmad() -> None:
    assert list(headings_of(MMAD_COLUMNS.with_average).values()) == [
        "AD",
        "DefCls",
        "DefLoc",
        "DefDesc",
        "DefAna",
        "ObjCls",
        "ObjAna",
        "Average",
    ]


def test_own_types_are_columns_in_the_order_of_their_first_question() -> None:
    image = "Shelf/bottle/test/good/{}.png".format
    asked = [question(image(n), name) for n, name in enumerate(["Reading", "Counting", "Reading"])]
    found = columns_of(asked)
    assert found == Columns(own_columns(["Reading", "Counting"]), detection=None)
    assert found.with_average == ("Reading", "Counting", AVERAGE)
    assert [column.subject for column in found.each] == [None, None]


def test_own_types_stand_behind_those_of_mmad_that_occur() -> None:
    found = columns_named(["Reading", "Object Analysis", "Counting", "Anomaly Detection"])
    assert found.names == ("Anomaly Detection", "Object Analysis", "Reading", "Counting")
    assert found.detection == "Anomaly Detection"
    assert [column.subject for column in found.each] == [None, Subject.OBJECT, None, None]


def test_only_a_set_that_asks_for_anomalies_has_a_detection_column() -> None:
    assert columns_named(["Reading", "Defect Analysis"]).detection is None


@pytest.mark.parametrize(
    ("types", "headings"),
    [
        (["Counting", "Reading"], ["Counting", "Reading"]),
        (["Scene Understanding", "Misinterpretation"], ["SceUnd", "Misinterpretation"]),
        (["what is it for?"], ["WhaIsItFor"]),
        # two that would be cut to the same heading, one that is called as another would be cut
        (["Scene Understanding", "Scenery Undone"], ["Scene Understanding", "Scenery Undone"]),
        (["Scene Understanding", "SceUnd"], ["Scene Understanding", "SceUnd"]),
        (["Averse agenda"], ["AveAge"]),
    ],
)
def test_headings_of_own_types_are_short_and_differ(types: list[str], headings: list[str]) -> None:
    assert list(headings_of(types).values()) == headings


def test_a_heading_of_mmad_gives_way_to_a_type_of_that_name() -> None:
    found = headings_of(["Anomaly Detection", "AD", "Defective Analyses", AVERAGE])
    assert list(found.values()) == ["Anomaly Detection", "AD", "DefAna", AVERAGE]
    both = headings_of(["Defect Analysis", "Defective Analyses"])
    assert list(both.values()) == ["DefAna", "Defective Analyses"]


# --- types


def test_types_fold_as_the_set_says_and_are_their_own_column_otherwise() -> None:
    types = TypeReader(MMAD_COLUMNS.folds)
    assert [types.column_of(raw, "f") for raw in ("Object Details", "Reading", "Defect Analysis")] == [
        "Object Analysis",
        "Reading",
        "Defect Analysis",
    ]
    assert types.column_of("Reading", "f") == "Reading"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("reading", "the type 'reading' is another spelling of 'Reading'; spell them alike"),
        (" Reading", "another spelling of 'Reading'"),
        ("object_details", "another spelling of 'Object Details'"),
        ("AnomalyDetection", "another spelling of 'Anomaly Detection'"),
        ("Average", "the type 'Average' is called as the average is; rename it"),
        ("AVERAGE", "is called as the average is"),
        ("Read\ning", "holds a line end or control character"),
        ("Read\x1b[31ming", "holds a line end or control character"),
    ],
)
def test_types_by_mistake_are_refused(raw: str, message: str) -> None:
    types = TypeReader(MMAD_COLUMNS.folds)
    types.column_of("Reading", "f")
    with pytest.raises(DataError) as caught:
        types.column_of(raw, "f.json, question 3")
    assert str(caught.value).startswith("f.json, question 3: ")
    assert message in str(caught.value)


def test_signs_are_types_too() -> None:
    types = TypeReader(MMAD_COLUMNS.folds)
    assert [types.column_of(raw, "f") for raw in ("-", "_", "C", "C++")] == ["-", "_", "C", "C++"]


def test_a_type_per_question_is_no_type() -> None:
    types = TypeReader(MMAD_COLUMNS.folds)
    for number in range(MOST_TYPES):
        types.column_of(f"type {number}", "f")
    with pytest.raises(
        DataError, match=rf"'one more' is one type too many.* at most {MOST_TYPES} of its own"
    ):
        types.column_of("one more", "f")
    assert types.column_of("type 7", "f") == "type 7"
    assert types.column_of("Object Analysis", "f") == "Object Analysis"


# --- nothing else knows


@pytest.mark.slow
def test_no_file_but_mmads_own_knows_its_columns() -> None:
    """MMAD's reader, its errata and the sample in its form; docstrings may give an example."""
    own = {"benchmark/data/mmad.py", "benchmark/data/errata.py"}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name in own or name.startswith("benchmark/sample/"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert getattr(node, "id", getattr(node, "name", "")) != "Subtask", name
            if isinstance(node, ast.Constant):
                assert node.value not in MMAD_COLUMNS.folds, f"{name}:{node.lineno}"
