"""What people read of an audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmad_rag.benchmark.audit.audit import Audit, ShortcutCell, ShortcutScore
from mmad_rag.benchmark.audit.leakage import LeakReport
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.report.tables.numbers import percent, points
from mmad_rag.report.tables.scores import score_columns
from mmad_rag.report.tables.table import Table, TableColumn, corner, estimate_cell, table_row

WORST = 10
"""Entries listed in the table of the terminal; --json lists all."""


def shortcuts_table(scores: Sequence[ShortcutScore], title: str) -> Table:
    """Shortcuts down, subtasks across, percent; `*` where the 95 % interval is above chance."""
    return Table(
        title,
        (corner("shortcut"), *score_columns([cell.score.column for cell in scores[0].cells])),
        tuple(table_row(score.shortcut, map(_marked, score.cells)) for score in scores),
    )


def _marked(cell: ShortcutCell) -> str:
    low = cell.above_chance.low
    return percent(cell.score.value) + ("*" if low is not None and low > 0 else " ")


def average_table(scores: Sequence[ShortcutScore], title: str) -> Table:
    """The last column of the same with its 95 % intervals."""
    headings = ("Average", "95 % from", "to", "above chance", "95 % from", "to")
    rows = []
    for score in scores:
        cell = next(item for item in score.cells if item.score.column == AVERAGE)
        level, gain = cell.score, cell.above_chance
        numbers = (
            *map(percent, (level.value, level.low, level.high)),
            *map(points, (gain.value, gain.low, gain.high)),
        )
        rows.append(table_row(score.shortcut, numbers))
    return Table(title, (corner("shortcut"), *map(TableColumn, headings)), tuple(rows))


def leak_table(report: LeakReport, title: str) -> Table:
    """The leak by subtask, in percentage points of overlap, with its 95 % intervals."""
    return Table(
        title,
        (corner(""), *score_columns([value.column for value in report.columns])),
        (table_row("leak", (estimate_cell(value, points) for value in report.columns)),),
    )


def entries_table(report: LeakReport) -> Table:
    """The entries that leak most."""
    listed = report.entries[:WORST]
    return Table(
        f"Entries that leak most: {len(listed)} of {len(report.entries)}",
        (
            corner("product"),
            TableColumn("entry", number=False),
            TableColumn("questions"),
            TableColumn("leak"),
        ),
        tuple(
            table_row(item.product, (item.entry, str(item.questions), points(item.leak))) for item in listed
        ),
    )


def audit_notes(audit: Audit) -> Iterator[str]:
    """How to read the tables, with what was left out."""
    yield (
        "Percent right without image or model, mean over datasets, rule fixed; *: the 95 % interval of the "
        f"difference to chance is above 0 ({audit.replicates} draws of images, seed {audit.seed})."
    )
    if not audit.hard_questions:
        yield "The hard subset is empty: no choice of these questions brings every shortcut down to chance."
    if audit.leak is None:
        yield "No knowledge was given: give --knowledge for the readers and the leak."
    elif audit.leak.left_out:
        yield f"{audit.leak.left_out} questions are about products that the knowledge does not hold; no leak."
