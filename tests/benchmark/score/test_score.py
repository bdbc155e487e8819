"""Scores by the rule fixed, against values worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.answers_file import read_answers
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_answers, score_run
from mmad_rag.benchmark.score.table import ScoreCell
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question
from tests.benchmark.score.answers import AD, BAD, CLS, GOOD, HAND, LOC, answer, percent
from tests.support.bench import question, row


def test_fixed_by_hand() -> None:
    table = score_answers(HAND, Rule.FIXED)
    assert table.columns == (*MMAD_COLUMNS.names, AVERAGE)
    assert [found.name for found in table.rows] == ["DS-MVTec", "VisA", AVERAGE]
    assert percent(table, "DS-MVTec", AD) == 62.5
    assert percent(table, "DS-MVTec", CLS) == 25.0
    assert percent(table, "DS-MVTec", "Object Analysis") == pytest.approx(200 / 3)
    assert percent(table, "DS-MVTec", AVERAGE) == pytest.approx((62.5 + 25 + 200 / 3) / 3)
    assert percent(table, "VisA", AD) == 50.0
    assert percent(table, "VisA", CLS) == 100.0
    assert percent(table, "VisA", AVERAGE) == 75.0
    assert percent(table, AVERAGE, AD) == 56.25
    assert percent(table, AVERAGE, CLS) == 62.5
    assert percent(table, AVERAGE, AVERAGE) == pytest.approx(((62.5 + 25 + 200 / 3) / 3 + 75) / 2)
    assert (table.questions, table.counted) == (17, 17)


def test_fixed_leaves_empty_what_has_no_questions() -> None:
    """VisA has no object analysis: an empty cell, which is in no mean."""
    table = score_answers(HAND, Rule.FIXED)
    assert percent(table, "VisA", "Object Analysis") is None
    assert percent(table, AVERAGE, "Object Analysis") == pytest.approx(200 / 3)
    assert table.cell(AVERAGE, LOC) == ScoreCell(None, 0, 0, 0, 0, 0)


def test_fixed_counts_every_question_once() -> None:
    table = score_answers(HAND, Rule.FIXED)
    assert table.cell("DS-MVTec", CLS) == ScoreCell(25.0, 4, 1, 1, 2, 0)
    assert table.cell("DS-MVTec", AD) == ScoreCell(62.5, 6, 4, 2, 0, 0)
    whole = table.cell(AVERAGE, AVERAGE)
    assert (whole.n, whole.correct, whole.wrong, whole.invalid, whole.failed) == (17, 10, 5, 2, 0)


def test_fixed_takes_the_label_component_and_not_a_part_of_a_word() -> None:
    """`goods_rack` and a file named good.jpg are abnormal here; strict-mmad takes both for normal."""
    records = [
        answer("GoodsAD/goods_rack/test/opened/0.jpg", "A"),
        answer("GoodsAD/box/test/opened/good.jpg", "B"),
        answer("GoodsAD/box/test/good/0.jpg", "A"),
    ]
    assert percent(score_answers(records, Rule.FIXED), "GoodsAD", AD) == (100 + 50) / 2
    assert percent(score_answers(records, Rule.STRICT_MMAD), "GoodsAD", AD) == pytest.approx(
        (200 / 3 + 0) / 2
    )


def test_fixed_detection_on_one_side_only_is_that_sides_accuracy() -> None:
    records = [answer(BAD.format(0), "A"), answer(BAD.format(1), "B")]
    assert percent(score_answers(records, Rule.FIXED), "DS-MVTec", AD) == 50.0


def test_an_answer_without_a_right_letter_is_invalid() -> None:
    table = score_answers([answer(BAD.format(0), "A", right="")], Rule.FIXED)
    assert table.cell("DS-MVTec", AD) == ScoreCell(0.0, 1, 0, 0, 1, 0)


@pytest.mark.parametrize("gpt", ["", None, "F", "AB", "a", "A ", "Yes."])
def test_what_is_no_letter_is_invalid_under_fixed(gpt: str | None) -> None:
    assert score_answers([answer(BAD.format(0), gpt)], Rule.FIXED).cell("DS-MVTec", AD).invalid == 1


def test_fixed_refuses_duplicates_by_name() -> None:
    records = [answer(BAD.format(0)), answer(BAD.format(1)), answer(BAD.format(0), "B")]
    with pytest.raises(DataError) as caught:
        score_answers(records, Rule.FIXED, name="a.json")
    assert str(caught.value) == (
        "a.json, records 0, 2: DS-MVTec/nut/image/bent/0.png has 2 answers to 'Q'; keep one, "
        "or score by strict-mmad"
    )
    assert score_answers(records, Rule.STRICT_MMAD).counted == 3


def test_fixed_refuses_a_path_of_another_form() -> None:
    with pytest.raises(DataError, match=r"^a\.json, record 1: .*dataset/product/split/label/file"):
        score_answers([answer(BAD.format(0)), answer("nut.png")], Rule.FIXED, name="a.json")
    assert score_answers([answer("nut.png")], Rule.STRICT_MMAD).counted == 1


@pytest.mark.parametrize("rule", list(Rule))
def test_no_answers_are_no_score(rule: Rule) -> None:
    with pytest.raises(DataError, match="no answers"):
        score_answers([], rule)


def test_a_cell_that_is_not_there_is_named() -> None:
    table = score_answers(HAND, Rule.FIXED)
    with pytest.raises(DataError, match="no cell 'MPDD', 'Average'; rows DS-MVTec, VisA, Average"):
        table.cell("MPDD", AVERAGE)
    with pytest.raises(DataError, match="no cell"):
        table.cell("VisA", "Defect Guessing")


# --- answers files


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


ENTRY = {
    "image": BAD.format(0),
    "question": {"type": "text", "text": "Question: Is there any defect? \nA. Yes.\nB. No.\n"},
    "question_type": AD,
    "correct_answer": "A",
    "gpt_answer": "B",
}


def test_an_official_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "answers.json", [ENTRY, ENTRY | {"question": "Why?", "gpt_answer": ""}])
    first, second = read_answers(path)
    assert (first.image, first.question_type, first.correct_answer, first.gpt_answer) == (
        BAD.format(0),
        AD,
        "A",
        "B",
    )
    assert "Is there any defect?" in first.question
    assert (second.question, second.gpt_answer) == ("Why?", "")


@pytest.mark.parametrize("unread", ["", None, ["A"], 3, True, {"letter": "A"}, "None", "F"])
def test_whatever_marks_an_unreadable_answer_is_kept_as_unreadable(tmp_path: Path, unread: object) -> None:
    records = read_answers(write(tmp_path / "answers.json", [ENTRY | {"gpt_answer": unread}]))
    assert score_answers(records, Rule.FIXED).cell("DS-MVTec", AD).invalid == 1
    assert score_answers(records, Rule.STRICT_MMAD).counted == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not valid JSON"),
        ("{}", "expected a list, found an object"),
        ([], "holds no answers"),
        ([7], "record 0: expected an object, found a number"),
        (
            [ENTRY, {**ENTRY, "question_type": "anomaly detection"}],
            "record 1: the type 'anomaly detection' is another spelling of 'Anomaly Detection'",
        ),
        ([{**ENTRY, "image": ""}], "'image' is empty"),
        ([{**ENTRY, "question": None}], "'question' is null"),
        *(
            ([{key: value for key, value in ENTRY.items() if key != name}], f"record 0: '{name}' is missing")
            for name in ENTRY
        ),
    ],
)
def test_a_wrong_answers_file_is_refused_by_name(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_answers(write(tmp_path / "answers.json", content))
    assert message in str(caught.value)
    assert "answers.json" in str(caught.value)


def test_an_absent_answers_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_answers(tmp_path / "none.json")


# --- runs


def small_run() -> tuple[list[Question], list[OutcomeRow]]:
    """Detection: normal right, abnormal failed; classification: right and unreadable."""
    items = [
        question(GOOD.format(0), answer="B"),
        question(BAD.format(0)),
        question(BAD.format(0), "Defect Classification", position=1),
        question(BAD.format(1), "Defect Classification", position=1),
    ]
    outcomes = [Outcome.CORRECT, Outcome.FAILED, Outcome.CORRECT, Outcome.INVALID]
    return items, [row(item, outcome) for item, outcome in zip(items, outcomes, strict=True)]


def test_a_run_by_the_fixed_rule() -> None:
    items, rows = small_run()
    other = [row(item, Outcome.WRONG, "rag") for item in items]
    table = score_run([*other, *reversed(rows)], items, Rule.FIXED, "none")
    assert table.cell("DS-MVTec", AD) == ScoreCell(50.0, 2, 1, 0, 0, 1)
    assert table.cell("DS-MVTec", CLS) == ScoreCell(50.0, 2, 1, 0, 1, 0)
    assert percent(score_run([*other, *rows], items, Rule.FIXED, "rag"), AVERAGE, AVERAGE) == 0.0


def test_a_run_by_the_strict_rule() -> None:
    """The failed one hides the right one behind it; the last one is unreadable."""
    items, rows = small_run()
    table = score_run(rows, items, Rule.STRICT_MMAD, "none")
    assert table.counted == 1
    assert percent(table, "DS-MVTec", AD) == 50.0
    assert percent(table, "DS-MVTec", CLS) == 0.0


def test_a_run_that_is_not_finished_is_not_scored() -> None:
    items, rows = small_run()
    with pytest.raises(DataError, match="1 of 4 questions have no outcome in the arm none"):
        score_run(rows[:-1], items, Rule.FIXED, "none")


def test_an_arm_that_was_not_asked_is_named() -> None:
    items, rows = small_run()
    with pytest.raises(DataError, match="no outcomes of the arm 'rag'; there are outcomes of: none"):
        score_run(rows, items, Rule.FIXED, "rag")


def test_outcomes_and_questions_must_belong_together() -> None:
    items, rows = small_run()
    with pytest.raises(DataError, match="two outcomes"):
        score_run([*rows, rows[0]], items, Rule.FIXED, "none")
    with pytest.raises(DataError, match="not among the questions"):
        score_run(rows, items[:-1], Rule.FIXED, "none")
    with pytest.raises(DataError, match="no questions"):
        score_run(rows, [], Rule.FIXED, "none")
