"""Score by the rule `fixed`: every question counts, and what is not right is wrong."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.data.columns import AVERAGE, Columns
from mmad_rag.benchmark.data.mmad import LETTERS, MMAD_COLUMNS, split_path
from mmad_rag.benchmark.data.question_sets import columns_named
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.detection import DetectionAnswer, detection_rates, says_the_opposite
from mmad_rag.benchmark.score.macro_average import NORMAL, nested_macro, side_of
from mmad_rag.benchmark.score.table import ScoreCell, ScoreRow, ScoreTable
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question

NAME = "fixed"
"""Name of the rule."""

_OUTCOMES = tuple(Outcome)


@dataclass(frozen=True, slots=True)
class _Mark:
    """What the rule needs to know about a question."""

    group: str
    """The row of the table: a dataset or a product."""
    subtask: str
    side: int
    outcome: Outcome
    credit: float
    """How much the answer counts, in [0, 1]."""
    miscalled: bool
    """Whether the answer says the opposite, see `DetectionAnswer`; meaningless outside the detection
    column."""


def score_records(records: Sequence[AnswerRecord], *, name: str) -> ScoreTable:
    """Score an answers file.

    Raises:
        DataError: a question is answered twice, or an image path has another form.
    """
    questions = defaultdict(list)
    for number, record in enumerate(records):
        questions[record.image, record.question_type, record.question].append(number)
    (image, _, question), numbers = max(questions.items(), key=lambda item: len(item[1]))
    if len(numbers) > 1:
        places = ", ".join(map(str, numbers))
        raise DataError(
            f"{name}, records {places}: {image} has {len(numbers)} answers to {question!r}; keep one, "
            "or score by strict-mmad"
        )
    folds = MMAD_COLUMNS.folds
    marks = [_marked(record, folds, f"{name}, record {number}") for number, record in enumerate(records)]
    return _table(marks, columns_named(mark.subtask for mark in marks))


def score_rows(
    questions: Sequence[Question], rows: Mapping[str, OutcomeRow], columns: Columns, *, by_product: bool
) -> ScoreTable:
    """Score one arm of a run, whose questions keep the options."""
    marks = [_judged(question, rows[question.id]) for question in questions]
    if by_product:
        names = [f"{question.dataset}/{question.product}" for question in questions]
        marks = [replace(mark, group=name) for mark, name in zip(marks, names, strict=True)]
    return _table(marks, columns)


def _judged(question: Question, row: OutcomeRow) -> _Mark:
    opposite = says_the_opposite(question, row.letter, row.outcome)
    side = side_of(question.label)
    return _Mark(question.dataset, question.subtask, side, row.outcome, row.credit, opposite)


def _marked(record: AnswerRecord, folds: Mapping[str, str], where: str) -> _Mark:
    try:
        parts = split_path(record.image)
    except DataError as error:
        raise DataError(f"{where}: {error}, or score by strict-mmad") from None
    if record.correct_answer not in LETTERS or record.gpt_answer not in LETTERS:
        outcome = Outcome.INVALID
    else:
        outcome = Outcome.CORRECT if record.correct_answer == record.gpt_answer else Outcome.WRONG
    subtask = folds.get(record.question_type, record.question_type)
    credit, opposite = float(outcome is Outcome.CORRECT), outcome is Outcome.WRONG
    return _Mark(parts.dataset, subtask, side_of(parts.label), outcome, credit, opposite)


def _table(marks: Sequence[_Mark], columns: Columns) -> ScoreTable:
    datasets = tuple(dict.fromkeys(mark.group for mark in marks))
    rows_of = {name: row for row, name in enumerate(datasets)}
    places = columns.places
    counts = np.zeros((len(datasets), len(places), 2, len(_OUTCOMES)))
    credited = np.zeros(counts.shape[:-1])
    for mark in marks:
        place = (rows_of[mark.group], places[mark.subtask])
        credited[(*place, mark.side)] += mark.credit
        counts[(*place, mark.side, _OUTCOMES.index(mark.outcome))] += 1
    table = nested_macro(credited, counts.sum(axis=-1), columns)
    by_cell = _with_sums(counts.sum(axis=2))
    rows = [
        ScoreRow(name, tuple(_cell(*both) for both in zip(percents, outcomes, strict=True)))
        for name, percents, outcomes in zip((*datasets, AVERAGE), table, by_cell, strict=True)
    ]
    detection = [
        DetectionAnswer(mark.group, mark.side == NORMAL, mark.miscalled)
        for mark in marks
        if mark.subtask == columns.detection
    ]
    rates = () if columns.detection is None else detection_rates(detection, datasets)
    return ScoreTable(NAME, columns.with_average, tuple(rows), rates, len(marks), len(marks))


def _with_sums(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Counts by (dataset, subtask, outcome), with a column and a row of sums."""
    wide = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    return np.concatenate([wide, wide.sum(axis=0, keepdims=True)], axis=0)


def _cell(percent: float, outcomes: npt.NDArray[np.float64]) -> ScoreCell:
    correct, wrong, invalid, failed = (int(count) for count in outcomes)
    n = correct + wrong + invalid + failed
    return ScoreCell(None if np.isnan(percent) else float(percent), n, correct, wrong, invalid, failed)
