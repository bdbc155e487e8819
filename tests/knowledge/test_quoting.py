"""Texts that YAML reads otherwise than they stand in the file are told by the linter, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.knowledge.lint import lint
from tests.support.shared import SHARED
from tests.support.world import PRODUCT

GOOD = PRODUCT.format(product="red_disc", colour="red", shape="disc")
CASES = SHARED / "cases"


def found(folder: Path, old: str, new: str) -> list[str]:
    assert old in GOOD
    (folder / "red_disc.yaml").write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    return [str(problem).removeprefix(f"{folder}/") for problem in lint(folder).problems]


FUNCTION = "function: [The disc teaches children their colours.]"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("\n    - The hole fits screw #4 and no other.", "normal.function.0 ends before '#4 and no other.'"),
        ("\n    - The hole fits screw # 4.", "ends before '# 4.'"),
        ("\n    - The hole fits\n      screw #4 and no other.", "ends before '#4"),
        (" [The hole fits #4 and no other.\n   ]", "ends before '#4"),
        (" [It has two holes, one pin and a rim.]", "is split at a comma after 'It has two holes'"),
        (" [It teaches., It has two holes, one pin.]", "is split at a comma"),
        (" [One, two and three children learn.]", "is split at a comma"),
        ("\n    - 2024-01-02", "normal.function.0 is '2024-01-02', which YAML reads as a date"),
        ("\n    - yes", "is 'yes', which YAML reads as yes or no, not as text; put it into quotes"),
        ("\n    - on", "is 'on', which YAML reads as yes or no"),
        ("\n    - 12:30", "is '12:30', which YAML reads as a number"),
        ("\n    - 012", "is '012', which YAML reads as a number"),
        ("\n    - 1_000.5", "is '1_000.5', which YAML reads as a number"),
        ("\n    - null", "is 'null', which YAML reads as nothing"),
        ("\n    - #4 fits the hole.", "is empty; write a text, and put one that begins with # into quotes"),
        ("\n    - Note: it teaches.", "is read by YAML as a field with a value, because of ': '"),
        (" {It: teaches}", "function"),
        ("\n    - &4 screws hold it.", "loses '&4', which YAML takes for a mark of its own"),
        ("\n    - ! Mind the edge of it.", "loses '!'"),
        ("\n    - *4 screws hold it.", "put a text that begins with * into quotes"),
        ("\n\t- It teaches.", "put spaces for a tab"),
        (" It teaches: colours and shapes.", "put a text that holds ': ' into quotes"),
        ('\n    - "It teaches" colours.', "quotes"),
        ('\n    - "It teaches \\d colours."', "write a backslash twice"),
        ("\n    - > 5 mm of it teach.", "put a text that begins with > or | into quotes"),
        (" [It teaches.]\n  function: [It plays.]", "stands here twice"),
    ],
)  # fmt: skip
def test_a_text_that_needs_quotes_is_told(tmp_path: Path, function: str, expected: str) -> None:
    problems = found(tmp_path, FUNCTION, f"function:{function}")
    assert any(expected in problem for problem in problems), problems
    assert all(problem.startswith("red_disc.yaml:") for problem in problems)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (FUNCTION, "function:\n    - 'The hole fits screw #4, and no other: it teaches.'  # ask Joe"),
        (FUNCTION, "function:\n    # one sentence\n    - The hole fits screw#4 and no other."),
        (FUNCTION, "function: # one sentence\n    - It teaches."),
        (FUNCTION, "function:\n    - |\n      The hole fits screw #4 and no other."),
        (FUNCTION, 'function: ["It has two holes, one pin and a rim.", It teaches.]'),
        (FUNCTION, "function: [It teaches., It plays.]"),
        (FUNCTION, "function: [它用于教学。, 它是玩具。]"),
        (FUNCTION, "function: [&a It teaches.]\n  variation: [*a]\n"),
        ("status: checked", "status: checked # by the foreman"),
    ],
)
def test_what_is_read_as_it_stands_is_clean(tmp_path: Path, old: str, new: str) -> None:
    wrong = ("quotes", "loses", "split at a comma")
    assert [line for line in found(tmp_path, old, new) if any(word in line for word in wrong)] == []


@given(
    text=st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), min_size=4, max_size=30)
)
def test_what_yaml_changes_is_told(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever stands behind a dash is read as it stands, up to spaces, or the linter says something."""
    folder = tmp_path_factory.mktemp("lint")
    whole = f"It is {text} there."
    problems = found(folder, FUNCTION, f"function:\n    - {whole}")
    files = lint(folder).files
    read = files[0].product.normal.function[0] if files else None
    assert problems or read == whole.strip()


@pytest.mark.skipif(not CASES.is_dir(), reason=f"the inputs that failed are not at {CASES}")
@pytest.mark.shared
def test_the_cut_and_the_split_of_a_real_file_are_told() -> None:
    lines = [(problem.line, problem.field) for problem in lint(CASES / "18_yaml_hash").problems]
    assert lines == [(11, "normal.appearance.0"), (12, "normal.structure")]
