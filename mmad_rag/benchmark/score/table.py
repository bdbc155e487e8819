"""A table of scores: datasets by subtasks, with averages."""

from __future__ import annotations

from dataclasses import dataclass

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.errors import DataError

__all__ = ["AVERAGE", "Cell", "DetectionRates", "ScoreRow", "ScoreTable"]


@dataclass(frozen=True, slots=True)
class Cell:
    """One score, and the questions under it."""

    percent: float | None
    """In [0, 100], unrounded; None where there is nothing to score."""
    n: int
    """Questions that count."""
    correct: int
    """Of these: the right choice."""
    wrong: int
    """Of these: another choice."""
    invalid: int
    """Of these: a reply in which no choice could be read."""
    failed: int
    """Of these: no reply."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One dataset, or the average over them."""

    name: str
    """E.g. `DS-MVTec`, or `Average`."""
    cells: tuple[Cell, ...]
    """In the order of the table's columns."""


@dataclass(frozen=True, slots=True)
class DetectionRates:
    """Which way detection goes wrong in one dataset; the formulas stand in the module `detection`."""

    name: str
    """E.g. `DS-MVTec`, or `Average`."""
    overkill: float | None
    """Percent of the questions on normal images that were answered with a defect; None without one."""
    miss: float | None
    """Percent of the questions on abnormal images that were answered with no defect; None without one."""
    normal: int
    """Questions on normal images that count."""
    false_alarms: int
    """Of these: answered with a defect."""
    abnormal: int
    """Questions on abnormal images that count."""
    misses: int
    """Of these: answered with no defect."""


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Scores by one rule."""

    rule: str
    """How they were computed: one of `Rule`."""
    columns: tuple[str, ...]
    """Subtasks, then `Average`."""
    rows: tuple[ScoreRow, ...]
    """Datasets in the order of their first question, then `Average`."""
    detection: tuple[DetectionRates, ...]
    """Overkill and miss rates, in the order of the rows; empty for questions that do not ask for defects."""
    questions: int
    """All that were handed in."""
    counted: int
    """Those that count; `strict-mmad` loses some."""

    def cell(self, row: str, column: str) -> Cell:
        """The cell of a dataset (or `Average`) and a subtask (or `Average`).

        Raises:
            DataError: the table has no such row or column.
        """
        names = [found.name for found in self.rows]
        if row not in names or column not in self.columns:
            raise DataError(
                f"the table has no cell {row!r}, {column!r}; rows {', '.join(names)}, "
                f"columns {', '.join(self.columns)}"
            )
        return self.rows[names.index(row)].cells[self.columns.index(column)]
