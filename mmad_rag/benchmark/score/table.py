"""A table of scores: datasets by subtasks, with averages."""

from __future__ import annotations

from dataclasses import dataclass

from mmad_rag.errors import DataError


@dataclass(frozen=True, slots=True)
class ScoreCell:
    """One score, and the questions under it."""

    percent: float | None
    """The score in [0, 100], unrounded; None if there is nothing to score."""
    n: int
    """Number of questions that count."""
    correct: int
    """Number of questions answered with the right choice."""
    wrong: int
    """Number of questions answered with another choice."""
    invalid: int
    """Number of questions with a reply in which no choice could be read."""
    failed: int
    """Number of questions without a reply."""


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One dataset, or the average over them."""

    name: str
    """Name of the dataset, e.g. `DS-MVTec`, or `Average`."""
    cells: tuple[ScoreCell, ...]
    """The cells in the order of the table's columns."""


@dataclass(frozen=True, slots=True)
class DetectionRates:
    """The overkill and miss rates of one dataset; the module `detection` states the formulas."""

    name: str
    """Name of the dataset, e.g. `DS-MVTec`, or `Average`."""
    overkill: float | None
    """Percent of the questions on normal images that were answered with a defect; None if there are none."""
    miss: float | None
    """Percent of the questions on abnormal images that were answered with no defect; None if there are
    none."""
    normal: int
    """Number of questions on normal images that count."""
    false_alarms: int
    """Number of them that were answered with a defect."""
    abnormal: int
    """Number of questions on abnormal images that count."""
    misses: int
    """Number of them that were answered with no defect."""


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Scores by one rule."""

    rule: str
    """Name of the rule, one of `Rule`."""
    columns: tuple[str, ...]
    """The subtasks, then `Average`."""
    rows: tuple[ScoreRow, ...]
    """The datasets in the order of their first question, then `Average`."""
    detection: tuple[DetectionRates, ...]
    """Overkill and miss rates, in the order of the rows; empty for questions that do not ask for defects."""
    questions: int
    """Number of questions that were given."""
    counted: int
    """Number of questions that count; `strict-mmad` loses some."""
    comparable: ScoreTable | None = None
    """The same answers as published tables count them, with one row for MVTec AD; None if that is the table
    itself. Only `strict-mmad` has it: MMAD's script takes `MVTec-AD`, by which newer data name some of these
    images, for a dataset of its own."""

    def cell(self, row: str, column: str) -> ScoreCell:
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
