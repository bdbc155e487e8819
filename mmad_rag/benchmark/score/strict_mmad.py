"""Score answers as MMAD's own script does, including its quirk.

The script (`summary.py` of github.com/jam-cc/MMAD, 2025-07) deletes unreadable answers from the list while it
iterates over it, so that it skips the record after each of them: neither is counted. Datasets and question
types are collected beforehand, so they stand in the table even when all their records vanish. A cell without
a counted record is 0, not empty, and goes into the averages; so does a side of the balanced accuracy on which
there is no image. An image is normal when `good` stands anywhere in its path. The columns Overkill and Miss
are in no row's average.

The script takes question types from the answers, so a type that MMAD does not have is a column of its own
here too. The script folds types, and balances `Anomaly Detection`, by their names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from mmad_rag.benchmark.data.columns import AVERAGE, Columns
from mmad_rag.benchmark.data.mmad import DETECTION, LETTERS, MMAD_COLUMNS, NORMAL_LABEL
from mmad_rag.benchmark.data.question_sets import columns_named
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.answers_file import AnswerRecord
from mmad_rag.benchmark.score.detection import DetectionAnswer, detection_rates
from mmad_rag.benchmark.score.table import DetectionRates, ScoreCell, ScoreRow, ScoreTable
from mmad_rag.errors import DataError
from mmad_rag.records import Question

NAME = "strict-mmad"
"""Name of the rule."""

_FOLDS = MMAD_COLUMNS.folds

_Place: TypeAlias = tuple[str, str, bool]
"""The dataset, the subtask, and whether the image counts as normal."""


def score_rows(
    questions: Sequence[Question],
    rows: Mapping[str, OutcomeRow],
    columns: Columns,
    *,
    by_product: bool,
) -> ScoreTable:
    """Score one arm of a run as the answers file that the script would be given.

    Raises:
        DataError: products are asked for.
    """
    if by_product:
        raise DataError("MMAD's script knows no products; leave --by product out, or score by --rule fixed")
    return _table([_record(question, rows[question.id]) for question in questions])


def score_records(records: Sequence[AnswerRecord], *, name: str) -> ScoreTable:
    """The script's table of an answers file, whatever form its paths have."""
    return _table(records)


def _record(question: Question, row: OutcomeRow) -> AnswerRecord:
    return AnswerRecord(question.image_path, question.id, question.type, question.answer, row.letter)


def _table(records: Sequence[AnswerRecord]) -> ScoreTable:
    """The script's table; columns in the order in which the question types first occur."""
    datasets = tuple(dict.fromkeys(_dataset(record) for record in records))
    subtasks = tuple(dict.fromkeys(_subtask(record) for record in records))
    counted = tuple(_looked_at(records))
    total = Counter(_place(record) for record in counted)
    correct = Counter(_place(record) for record in counted if record.correct_answer == record.gpt_answer)
    rows = [_row(dataset, subtasks, correct, total) for dataset in datasets]
    rates: tuple[DetectionRates, ...] = ()
    if columns_named(subtasks).detection is not None:
        rates = detection_rates(list(_detection(counted)), datasets, nothing=100.0)
    average = tuple(_average([row.cells[column] for row in rows]) for column in range(len(subtasks) + 1))
    return ScoreTable(
        rule=NAME,
        columns=(*subtasks, AVERAGE),
        rows=(*rows, ScoreRow(AVERAGE, average)),
        detection=rates,
        questions=len(records),
        counted=len(counted),
    )


def _looked_at(records: Sequence[AnswerRecord]) -> Iterator[AnswerRecord]:
    """The records that are counted: readable ones, except those right after an unreadable one that was
    seen."""
    position = 0
    while position < len(records):
        record = records[position]
        if record.correct_answer in LETTERS and record.gpt_answer in LETTERS:
            yield record
            position += 1
        else:
            position += 2


def _detection(counted: Sequence[AnswerRecord]) -> Iterator[DetectionAnswer]:
    for record in counted:
        dataset, subtask, normal = _place(record)
        if subtask == DETECTION:
            yield DetectionAnswer(dataset, normal, record.correct_answer != record.gpt_answer)


def _dataset(record: AnswerRecord) -> str:
    return record.image.split("/")[0]


def _place(record: AnswerRecord) -> _Place:
    return _dataset(record), _subtask(record), NORMAL_LABEL in record.image


def _subtask(record: AnswerRecord) -> str:
    return _FOLDS.get(record.question_type, record.question_type)


def _row(dataset: str, subtasks: Sequence[str], correct: Counter[_Place], total: Counter[_Place]) -> ScoreRow:
    cells = []
    for subtask in subtasks:
        hits, counts = (
            [counter[dataset, subtask, normal] for normal in (True, False)] for counter in (correct, total)
        )
        if subtask == DETECTION:
            sides = [_share(hit, count) for hit, count in zip(hits, counts, strict=True)]
            percent = (sides[0] + sides[1]) / 2 * 100
        else:
            percent = _share(sum(hits), sum(counts)) * 100
        cells.append(ScoreCell(percent, sum(counts), sum(hits), sum(counts) - sum(hits), 0, 0))
    return ScoreRow(dataset, (*cells, _average(cells)))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _average(cells: Sequence[ScoreCell]) -> ScoreCell:
    percents = [cell.percent for cell in cells if cell.percent is not None]
    return ScoreCell(
        percent=math.fsum(percents) / len(percents),
        n=sum(cell.n for cell in cells),
        correct=sum(cell.correct for cell in cells),
        wrong=sum(cell.wrong for cell in cells),
        invalid=0,
        failed=0,
    )
