"""Scores by both rules, against values worked out by hand and against a literal re-telling of the quirk."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS, load_questions
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.answers_file import AnswerRecord, read_answers
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_answers, score_run
from mmad_rag.benchmark.score.table import ScoreCell, ScoreTable
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question
from tests.support.bench import question, row
from tests.support.shared import MMAD, needs_shared

AD, CLS, LOC = "Anomaly Detection", "Defect Classification", "Defect Localization"
GOOD, BAD = "DS-MVTec/nut/image/good/{}.png", "DS-MVTec/nut/image/bent/{}.png"
VISA_GOOD, VISA_BAD = "VisA/pcb1/test/good/{}.JPG", "VisA/pcb1/test/bad/{}.JPG"


def answer(
    image: str, gpt: str | None = "A", kind: str = AD, right: str | None = "A", words: str = "Q"
) -> AnswerRecord:
    return AnswerRecord(image, words, kind, right, gpt)


def percent(table: ScoreTable, dataset: str, column: str) -> float | None:
    return table.cell(dataset, column).percent


# --- fixed, by hand

HAND = [
    # DS-MVTec, detection: normal 1 of 2 right, abnormal 3 of 4 right -> (50 + 75) / 2 = 62.5
    *(answer(GOOD.format(place), gpt) for place, gpt in enumerate("AB")),
    *(answer(BAD.format(place), gpt) for place, gpt in enumerate("AAAB")),
    # DS-MVTec, classification: 1 right, 1 wrong, 2 unreadable -> 25
    *(answer(BAD.format(place), gpt, CLS) for place, gpt in enumerate(["A", "C", "", None])),
    # DS-MVTec, object analysis from three raw types: 2 of 3 -> 66.67
    answer(GOOD.format(0), "A", "Object Analysis"),
    answer(GOOD.format(0), "A", "Object Structure"),
    answer(GOOD.format(0), "D", "Object Details"),
    # VisA, detection: normal 0 of 1, abnormal 2 of 2 -> 50; classification 1 of 1 -> 100
    answer(VISA_GOOD.format(0), "B"),
    answer(VISA_BAD.format(0), "A"),
    answer(VISA_BAD.format(1), "A"),
    answer(VISA_BAD.format(0), "A", CLS),
]


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


# --- strict, by hand


def test_strict_equals_fixed_on_complete_readable_answers() -> None:
    records = [
        answer(folder.format(place), gpt, kind)
        for folder in (GOOD, BAD, VISA_GOOD, VISA_BAD)
        for kind in MMAD_COLUMNS.folds
        for place, gpt in enumerate("AABCD")
    ]
    strict, fixed = score_answers(records, Rule.STRICT_MMAD), score_answers(records, Rule.FIXED)
    for name in ("DS-MVTec", "VisA", AVERAGE):
        for column in fixed.columns:
            assert percent(strict, name, column) == pytest.approx(percent(fixed, name, column))


def test_strict_drops_the_unreadable_and_overlooks_the_next() -> None:
    """right, unreadable, wrong (overlooked), right: 2 of 2 count."""
    records = [answer(BAD.format(place), gpt, CLS) for place, gpt in enumerate(["A", "", "B", "A"])]
    table = score_answers(records, Rule.STRICT_MMAD)
    assert table.cell("DS-MVTec", CLS) == ScoreCell(100.0, 2, 2, 0, 0, 0)
    assert (table.questions, table.counted) == (4, 2)


def test_strict_overlooks_an_unreadable_one_behind_an_unreadable_one() -> None:
    """unreadable, unreadable (overlooked), wrong, right: 1 of 2."""
    records = [answer(BAD.format(place), gpt, CLS) for place, gpt in enumerate([None, "", "B", "A"])]
    assert score_answers(records, Rule.STRICT_MMAD).cell("DS-MVTec", CLS) == ScoreCell(50.0, 2, 1, 1, 0, 0)


def test_strict_overlooks_across_images_and_datasets() -> None:
    """The last answer on MVTec is unreadable, so the first on VisA is never seen."""
    records = [answer(BAD.format(0), ""), answer(VISA_BAD.format(0), "A"), answer(VISA_BAD.format(1), "B")]
    table = score_answers(records, Rule.STRICT_MMAD)
    assert table.cell("VisA", AD).n == 1
    assert percent(table, "VisA", AD) == 0.0


def test_strict_has_zero_where_nothing_is_counted() -> None:
    """MVTec has no detection, VisA no classification: both stand there as 0 and go into the averages."""
    records = [
        answer(BAD.format(0), "", CLS),
        answer(BAD.format(1), "A", CLS),
        answer(VISA_GOOD.format(0), "A"),
        answer(VISA_BAD.format(0), "A"),
    ]
    table = score_answers(records, Rule.STRICT_MMAD)
    assert table.columns == (CLS, AD, AVERAGE)
    assert [found.name for found in table.rows] == ["DS-MVTec", "VisA", AVERAGE]
    assert [cell.percent for cell in table.rows[0].cells] == [0.0, 0.0, 0.0]
    assert [cell.percent for cell in table.rows[1].cells] == [0.0, 100.0, 50.0]
    assert [cell.percent for cell in table.rows[2].cells] == [0.0, 50.0, 25.0]


def test_strict_halves_detection_when_a_side_is_absent() -> None:
    assert percent(score_answers([answer(BAD.format(0), "A")], Rule.STRICT_MMAD), "DS-MVTec", AD) == 50.0


def test_strict_on_the_hand_made_answers() -> None:
    """The unreadable one at position 8 hides the one at 9; nothing else is lost: classification 1 of 2."""
    table = score_answers(HAND, Rule.STRICT_MMAD)
    assert table.columns == (AD, CLS, "Object Analysis", AVERAGE)
    assert table.counted == 15
    assert [cell.percent for cell in table.rows[0].cells] == pytest.approx(
        [62.5, 50.0, 200 / 3, (62.5 + 50 + 200 / 3) / 3]
    )
    assert [cell.percent for cell in table.rows[1].cells] == pytest.approx([50.0, 100.0, 0.0, 50.0])
    assert [cell.percent for cell in table.rows[2].cells] == pytest.approx(
        [56.25, 75.0, 100 / 3, ((62.5 + 50 + 200 / 3) / 3 + 50) / 2]
    )


# --- strict, literally


def told_literally(answers: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """MMAD's table by really deleting from the list that is being walked through."""

    def column_of(item: dict[str, Any]) -> str:
        merged = item["question_type"] in ("Object Structure", "Object Details")
        return "Object Analysis" if merged else str(item["question_type"])

    sets: list[str] = []
    columns: list[str] = []
    for item in answers:
        if (name := item["image"].split("/")[0]) not in sets:
            sets.append(name)
        if column_of(item) not in columns:
            columns.append(column_of(item))
    hits: dict[tuple[str, str, str], list[bool]] = {}
    for item in answers:
        if item["gpt_answer"] not in list("ABCDE") or item["correct_answer"] not in list("ABCDE"):
            answers.remove(item)
            continue
        side = "normal" if "good" in item["image"] else "abnormal"
        hit = item["gpt_answer"] == item["correct_answer"]
        hits.setdefault((item["image"].split("/")[0], column_of(item), side), []).append(hit)

    def share(found: list[bool]) -> float:
        return sum(found) / len(found) if found else 0

    table: dict[tuple[str, str], float] = {}
    for name in sets:
        for column in columns:
            normal, abnormal = (hits.get((name, column, side), []) for side in ("normal", "abnormal"))
            balanced = (share(normal) + share(abnormal)) / 2
            table[name, column] = 100 * (balanced if column == AD else share(normal + abnormal))
        table[name, AVERAGE] = sum(table[name, column] for column in columns) / len(columns)
    for column in [*columns, AVERAGE]:
        table[AVERAGE, column] = sum(table[name, column] for name in sets) / len(sets)
    return table


def records_of(letters: st.SearchStrategy[str | None]) -> st.SearchStrategy[list[AnswerRecord]]:
    images = st.sampled_from(
        [
            GOOD.format(0),
            BAD.format(0),
            VISA_GOOD.format(0),
            VISA_BAD.format(1),
            "GoodsAD/b/test/good/1.jpg",
            "GoodsAD/goods/x/torn/1.jpg",
        ]
    )
    kinds = st.sampled_from(list(MMAD_COLUMNS.folds))
    one = st.builds(AnswerRecord, images, st.sampled_from("QRS"), kinds, letters, letters)
    return st.lists(one, min_size=1, max_size=60)


def same_as_told(records: list[AnswerRecord]) -> None:
    told = told_literally(
        [
            {
                "image": record.image,
                "question": record.question,
                "question_type": record.question_type,
                "correct_answer": record.correct_answer,
                "gpt_answer": record.gpt_answer,
            }
            for record in records
        ]
    )
    table = score_answers(records, Rule.STRICT_MMAD)
    ours = {
        (found.name, column): cell.percent
        for found in table.rows
        for column, cell in zip(table.columns, found.cells, strict=True)
    }
    assert ours.keys() == told.keys()
    for place, value in told.items():
        assert ours[place] == pytest.approx(value, abs=1e-9), place


@given(records_of(st.sampled_from(["A", "B", "C", "", None, "F", "Yes"])))
def test_strict_equals_the_literal_telling_with_unreadable_answers(records: list[AnswerRecord]) -> None:
    same_as_told(records)


@given(records_of(st.sampled_from("ABCDE")))
def test_strict_equals_the_literal_telling_without_unreadable_answers(records: list[AnswerRecord]) -> None:
    same_as_told(records)
    assert score_answers(records, Rule.STRICT_MMAD).counted == len(records)


@given(records_of(st.sampled_from(["A", "B", "", None])))
def test_fixed_cells_are_consistent(records: list[AnswerRecord]) -> None:
    """Counts add up, percents stay in range, and means are means of what is there."""
    unique = list({(item.image, item.question_type, item.question): item for item in records}.values())
    table = score_answers(unique, Rule.FIXED)
    assert table.cell(AVERAGE, AVERAGE).n == len(unique)
    for found in table.rows:
        for cell in found.cells:
            assert cell.n == cell.correct + cell.wrong + cell.invalid + cell.failed
            assert (cell.percent is None) == (cell.n == 0)
            assert cell.percent is None or 0 <= cell.percent <= 100
    for column in range(8):
        there = [found.cells[column].percent for found in table.rows[:-1]]
        values = [value for value in there if value is not None]
        mean = table.rows[-1].cells[column].percent
        assert mean is None if not values else mean == pytest.approx(math.fsum(values) / len(values))


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


# --- real data


@pytest.mark.shared
@needs_shared
@pytest.mark.parametrize("every", [0, 20])
def test_real_questions_answered_by_the_first_option(every: int) -> None:
    """11,656 real records, with and without 5 % unreadable answers, against the literal telling."""
    records = [
        answer(item.image_path, "" if every and place % every == 7 else "A", item.type, item.answer, item.id)
        for place, item in enumerate(load_questions(MMAD).questions)
    ]
    same_as_told(records)
    strict, fixed = score_answers(records, Rule.STRICT_MMAD), score_answers(records, Rule.FIXED)
    assert fixed.counted == 11656
    if every:
        assert strict.counted == 11656 - 2 * 583
    else:
        for column in fixed.columns:
            assert percent(strict, AVERAGE, column) == pytest.approx(percent(fixed, AVERAGE, column))
