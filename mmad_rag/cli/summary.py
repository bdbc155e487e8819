"""Print what a run came to: tables on standard output, how to read them on standard error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmad_rag.cli.console import note, out, print_table
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.benchmark.analysis.summary import RunSummary
    from mmad_rag.report.tables.table import Table


def print_summary(summary: RunSummary) -> None:
    """Everything that a summary holds."""
    for part in _parts(summary):
        if isinstance(part, str):
            out().print(part, markup=False, soft_wrap=True)
        else:
            print_table(part)
    for line in _notes(summary):
        note(line)


def print_decomposition(summary: RunSummary) -> None:
    """What the gain is made of.

    Raises:
        DataError: the run's arms tell no effect.
    """
    from mmad_rag.report.tables.gains import decomposition_table

    if not summary.decomposition.effects:
        arms = ", ".join(arm for arm, _ in summary.tables)
        raise DataError(f"the arms {arms} tell no effect; run also `none` and `oracle`, see `mmad-rag eval`")
    print_table(decomposition_table(summary.decomposition))


def _parts(summary: RunSummary) -> Iterator[Table | str]:
    from mmad_rag.report.tables.gains import decomposition_table
    from mmad_rag.report.tables.replies import circular_table, second_reading_table
    from mmad_rag.report.tables.scores import arms_table, detection_line
    from mmad_rag.report.tables.spending import spending_lines
    from mmad_rag.report.tables.verdicts import subset_lines, verdict_lines

    yield arms_table(summary.tables, summary.comparisons)
    yield from verdict_lines(summary.comparisons)
    if summary.decomposition.effects:
        yield decomposition_table(summary.decomposition)
    if summary.hard is not None:
        yield arms_table(summary.hard.tables, summary.hard.comparisons, where=summary.hard.name)
    for subset in summary.rightly_routed:
        yield from subset_lines(subset)
    if summary.circular:
        yield circular_table(summary.circular)
    if summary.second_reading:
        yield second_reading_table(summary.second_reading)
    if summary.spending is not None:
        yield from spending_lines(summary.spending)
    lines = ((arm, detection_line(table)) for arm, table in summary.tables)
    yield from (f"{arm}, {line}" for arm, line in lines if line is not None)


def _notes(summary: RunSummary) -> Iterator[str]:
    from mmad_rag.benchmark.analysis.endings import ending_lines
    from mmad_rag.report.tables.scores import arms_notes
    from mmad_rag.report.tables.spending import price_note
    from mmad_rag.report.tables.verdicts import verdict_notes

    yield from arms_notes(summary.comparisons)
    yield from verdict_notes(summary.comparisons)
    yield from map(str, summary.routing)
    yield from ending_lines(summary.endings)
    if summary.spending is not None and any(arm.usd for arm in summary.spending.arms):
        yield price_note(summary.spending.price)
