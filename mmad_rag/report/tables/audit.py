"""What people read of an audit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from mmad_rag.benchmark.audit.audit import Audit, ShortcutScore
from mmad_rag.benchmark.audit.leakage import LeakReport
from mmad_rag.benchmark.score.table import AVERAGE
from mmad_rag.report.tables.scores import add_columns, plain_table, points

WORST = 10
"""Entries listed in the table of the terminal; --json lists all."""


def shortcuts_table(scores: Sequence[ShortcutScore], title: str) -> Table:
    """Shortcuts down, subtasks across, percent; `*` where the 95 % interval is above chance."""
    shown = plain_table(title)
    shown.add_column("shortcut", no_wrap=True)
    add_columns(shown, [cell.column for cell in scores[0].cells])
    for score in scores:
        marks = ("*" if cell.above_low > 0 else " " for cell in score.cells)
        cells = (f"{cell.percent:.1f}{mark}" for cell, mark in zip(score.cells, marks, strict=True))
        shown.add_row(score.shortcut, *cells)
    return shown


def average_table(scores: Sequence[ShortcutScore], title: str) -> Table:
    """The last column of the same with its 95 % intervals."""
    shown = plain_table(title)
    shown.add_column("shortcut", no_wrap=True)
    for name in ("Average", "95 % from", "to", "above chance", "95 % from", "to"):
        shown.add_column(name, justify="right", no_wrap=True)
    for score in scores:
        cell = next(item for item in score.cells if item.column == AVERAGE)
        levels = (f"{value:.1f}" for value in (cell.percent, cell.low, cell.high))
        gains = (points(value) for value in (cell.above_chance, cell.above_low, cell.above_high))
        shown.add_row(score.shortcut, *levels, *gains)
    return shown


def leak_table(report: LeakReport, title: str) -> Table:
    """The leak by subtask, in percentage points of overlap, with its 95 % intervals."""
    shown = plain_table(title)
    shown.add_column("", no_wrap=True)
    add_columns(shown, [value.column for value in report.columns])
    shown.add_row("leak", *(points(value.leak) for value in report.columns))
    shown.add_row("95 % from", *(points(value.low) for value in report.columns))
    shown.add_row("95 % to", *(points(value.high) for value in report.columns))
    return shown


def entries_table(report: LeakReport) -> Table:
    """The entries that leak most."""
    listed = report.entries[:WORST]
    shown = plain_table(f"Entries that leak most: {len(listed)} of {len(report.entries)}")
    shown.add_column("product", no_wrap=True)
    shown.add_column("entry", no_wrap=True)
    shown.add_column("questions", justify="right", no_wrap=True)
    shown.add_column("leak", justify="right", no_wrap=True)
    for item in listed:
        shown.add_row(item.product, item.entry, str(item.questions), points(item.leak))
    return shown


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
