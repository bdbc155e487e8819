"""Score answers and runs by a named rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.answers import AnswerRecord
from mmad_rag.benchmark.macro import COLUMNS, SUBTASKS, nested_macro, side_of
from mmad_rag.benchmark.mmad import LETTERS, SUBTASK_OF_TYPE, split_path
from mmad_rag.benchmark.outcomes import OutcomeRow
from mmad_rag.benchmark.score_table import AVERAGE, Cell, Rule, ScoreRow, ScoreTable
from mmad_rag.benchmark.strict_mmad import score_strict_mmad
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question, Subtask

_OUTCOMES = tuple(Outcome)
_CORRECT = _OUTCOMES.index(Outcome.CORRECT)


def score_answers(records: Sequence[AnswerRecord], rule: Rule) -> ScoreTable:
    """Score an answers file.

    `fixed`: every question counts, an answer that is no letter is wrong, normal and abnormal are told apart
    by the label component of the path, a question that stands there twice is refused. `strict-mmad`: see
    the module `strict_mmad`.

    Raises:
        DataError: there are no records; by `fixed` also a duplicate, or an image path of another form.
    """
    if not records:
        raise DataError("there are no answers to score")
    if rule is Rule.STRICT_MMAD:
        return score_strict_mmad(records)
    questions = Counter((record.image, record.question_type, record.question) for record in records)
    (image, _, question), count = questions.most_common(1)[0]
    if count > 1:
        raise DataError(f"{image} has {count} answers to {question!r}; keep one, or score by strict-mmad")
    return _fixed([_marked(record) for record in records])


def score_run(rows: Sequence[OutcomeRow], questions: Sequence[Question], rule: Rule, arm: str) -> ScoreTable:
    """Score one arm of a run.

    By `strict-mmad` the questions are taken in their order, those without a readable reply as unreadable.

    Args:
        rows: Outcomes, of any arms.
        questions: What was asked.
        rule: How to score.
        arm: Which arm.

    Raises:
        DataError: a question has no outcome in this arm, or two.
    """
    by_question = rows_of_arm(rows, questions, arm)
    if rule is Rule.STRICT_MMAD:
        answers = [_answer(question, by_question[question.id]) for question in questions]
        return score_answers(answers, rule)
    marks = [
        _Mark(question.dataset, question.subtask, side_of(question.label), by_question[question.id].outcome)
        for question in questions
    ]
    return _fixed(marks)


def rows_of_arm(rows: Sequence[OutcomeRow], questions: Sequence[Question], arm: str) -> dict[str, OutcomeRow]:
    """Question id -> its row in one arm, for exactly the questions that were asked.

    Raises:
        DataError: a question has no outcome in this arm, or two, or an outcome belongs to no question.
    """
    mine = [row for row in rows if row.arm == arm]
    found = {row.question: row for row in mine}
    wanted = {question.id for question in questions}
    if not wanted:
        raise DataError("there are no questions to score")
    if not mine:
        arms = ", ".join(dict.fromkeys(row.arm for row in rows)) or "none"
        raise DataError(f"there are no outcomes of the arm {arm!r}; there are outcomes of: {arms}")
    if len(found) < len(mine):
        raise DataError(f"the arm {arm} has two outcomes for the same question; read the run with read_run")
    if unasked := found.keys() - wanted:
        raise DataError(f"the arm {arm} has an outcome for {min(unasked)}, which is not among the questions")
    if missing := len(wanted) - len(found):
        raise DataError(
            f"{missing} of {len(wanted)} questions have no outcome in the arm {arm}; "
            "give the `mmad-rag eval` command again to finish the run"
        )
    return found


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the fixed rule needs to know of a question."""

    dataset: str
    subtask: Subtask
    side: int
    outcome: Outcome


def _marked(record: AnswerRecord) -> _Mark:
    parts = split_path(record.image)
    if record.correct_answer not in LETTERS or record.gpt_answer not in LETTERS:
        outcome = Outcome.INVALID
    else:
        outcome = Outcome.CORRECT if record.correct_answer == record.gpt_answer else Outcome.WRONG
    return _Mark(parts.dataset, SUBTASK_OF_TYPE[record.question_type], side_of(parts.label), outcome)


def _answer(question: Question, row: OutcomeRow) -> AnswerRecord:
    return AnswerRecord(question.image_path, question.id, question.type, question.answer, row.letter)


def _fixed(marks: Sequence[_Mark]) -> ScoreTable:
    datasets = tuple(dict.fromkeys(mark.dataset for mark in marks))
    counts = np.zeros((len(datasets), len(SUBTASKS), 2, len(_OUTCOMES)))
    for mark in marks:
        place = (datasets.index(mark.dataset), SUBTASKS.index(mark.subtask))
        counts[(*place, mark.side, _OUTCOMES.index(mark.outcome))] += 1
    table = nested_macro(counts[..., _CORRECT], counts.sum(axis=-1))
    by_cell = _with_sums(counts.sum(axis=2))
    rows = [
        ScoreRow(name, tuple(_cell(*both) for both in zip(percents, outcomes, strict=True)))
        for name, percents, outcomes in zip((*datasets, AVERAGE), table, by_cell, strict=True)
    ]
    return ScoreTable(Rule.FIXED, COLUMNS, tuple(rows), len(marks), len(marks))


def _with_sums(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Counts by (dataset, subtask, outcome), with a column and a row of sums."""
    wide = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    return np.concatenate([wide, wide.sum(axis=0, keepdims=True)], axis=0)


def _cell(percent: float, outcomes: npt.NDArray[np.float64]) -> Cell:
    correct, wrong, invalid, failed = (int(count) for count in outcomes)
    n = correct + wrong + invalid + failed
    return Cell(None if np.isnan(percent) else float(percent), n, correct, wrong, invalid, failed)
