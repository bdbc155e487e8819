"""Score answers as MMAD's own script does, including its quirk.

The script (`summary.py` of github.com/jam-cc/MMAD, 2025-07) deletes unreadable answers from the list while it
iterates over it, so that it skips the record after each of them: neither is counted. Datasets and question
types are collected beforehand, so they stand in the table even when all their records vanish. A cell without
a counted record is 0, not empty, and goes into the averages; so does a side of the balanced accuracy on which
there is no image. An image is normal when `good` stands anywhere in its path. The columns Overkill and Miss
are in no row's average.

The script's datasets are the first components of the paths. Where these make two rows of one dataset (see
`dataset_names`), the table is not comparable with published ones; `ScoreTable.comparable` is, which is the
script's table of the same answers with one row per dataset.

The script takes question types from the answers, so a type that MMAD does not have is a column of its own
here too. The script folds types, and balances `Anomaly Detection`, by their names.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from mmad_rag.benchmark.data.columns import AVERAGE, Columns
from mmad_rag.benchmark.data.dataset_names import dataset_of
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
    return _both([_record(question, rows[question.id]) for question in questions])


def score_records(records: Sequence[AnswerRecord], *, name: str) -> ScoreTable:
    """The script's table of an answers file, whatever form its paths have."""
    return _both(records)


def _record(question: Question, row: OutcomeRow) -> AnswerRecord:
    return AnswerRecord(question.image_path, question.id, question.type, question.answer, row.letter)


def _both(records: Sequence[AnswerRecord]) -> ScoreTable:
    """The script's table, with the comparable one where that has fewer rows."""
    table = _table(records, _first_component)
    counted = _table(records, dataset_of)
    return table if len(counted.rows) == len(table.rows) else replace(table, comparable=counted)


def _table(records: Sequence[AnswerRecord], dataset: Callable[[str], str]) -> ScoreTable:
    """The script's table with the datasets by this function of the image path; columns in the order in which
    the question types first occur."""
    datasets = tuple(dict.fromkeys(dataset(record.image) for record in records))
    subtasks = tuple(dict.fromkeys(_subtask(record) for record in records))
    counted = tuple(_looked_at(records))
    places = [(dataset(record.image), _subtask(record), NORMAL_LABEL in record.image) for record in counted]
    wrong = [record.correct_answer != record.gpt_answer for record in counted]
    total = Counter(places)
    correct = Counter(place for place, missed in zip(places, wrong, strict=True) if not missed)
    rows = [_row(name, subtasks, correct, total) for name in datasets]
    rates: tuple[DetectionRates, ...] = ()
    if columns_named(subtasks).detection is not None:
        asked = [
            DetectionAnswer(name, normal, missed)
            for (name, subtask, normal), missed in zip(places, wrong, strict=True)
            if subtask == DETECTION
        ]
        rates = detection_rates(asked, datasets, nothing=100.0)
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


def _first_component(image_path: str) -> str:
    return image_path.split("/", maxsplit=1)[0]


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
