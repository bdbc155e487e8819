"""The rule strict-mmad, against values worked out by hand and a literal re-telling of the official scorer."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS, load_questions
from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_answers
from mmad_rag.benchmark.score.table import ScoreCell
from tests.benchmark.score.answers import AD, BAD, CLS, GOOD, HAND, VISA_BAD, VISA_GOOD, answer, percent
from tests.support.shared import MMAD, needs_shared

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
