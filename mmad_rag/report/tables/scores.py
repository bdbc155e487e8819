"""Scores and comparisons as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.markup import escape
from rich.table import Table

from mmad_rag.benchmark.analysis.compare import ArmRates, Comparison
from mmad_rag.benchmark.analysis.knowledge_value import SpecificValue
from mmad_rag.benchmark.data.question_sets import columns_named, headings_of
from mmad_rag.benchmark.score.table import AVERAGE, ScoreTable


def score_table(table: ScoreTable, title: str) -> Table:
    """One arm or answers file: datasets down, subtasks across, percent in the cells."""
    shown = plain_table(f"{title}, rule {table.rule}: {table.counted} of {table.questions} answers counted")
    shown.add_column("dataset", no_wrap=True)
    add_columns(shown, table.columns)
    for row in table.rows:
        shown.add_row(escape(row.name), *(percent(cell.percent) for cell in row.cells))
    return shown


def detection_line(table: ScoreTable) -> str | None:
    """Overkill and miss rate of the detection column: the mean over datasets, then each of them.

    None for questions that do not ask for defects.
    """
    if not table.detection:
        return None
    *rows, average = table.detection
    columns = columns_named(table.columns[:-1])
    heading = columns.headings[columns.detection or AVERAGE]
    shown = f"{heading}: overkill {percent(average.overkill)} %, miss {percent(average.miss)} %"
    if len(rows) == 1:
        return shown
    each = (f"{row.name} {percent(row.overkill)} and {percent(row.miss)}" for row in rows)
    return f"{shown}, the mean of {', '.join(each)}"


def score_notes(table: ScoreTable) -> Iterator[str]:
    """What stands behind a table: answers that could not be read, never came, or are not counted."""
    total = table.cell(AVERAGE, AVERAGE)
    if total.invalid or total.failed:
        yield f"{total.invalid} invalid and {total.failed} failed of {total.n} answers count as wrong"
    if table.counted < table.questions:
        lost = table.questions - table.counted
        yield f"{lost} of {table.questions} answers are not counted, as in MMAD's script; see --rule fixed"


def arms_table(
    tables: Sequence[tuple[str, ScoreTable]], comparisons: Sequence[Comparison], *, where: str = ""
) -> Table:
    """Every arm of a run, macro-averaged over datasets, then what each changes with its 95 % intervals.

    `where` says which questions these are, when they are not all.
    """
    questions = tables[0][1].questions
    what = f"{questions} questions {where}".rstrip()
    shown = plain_table(f"Percent right of {what}, mean over datasets, rule fixed")
    shown.add_column("arm", no_wrap=True)
    columns = tables[0][1].columns
    add_columns(shown, columns)
    for name, table in tables:
        cells = (table.cell(AVERAGE, column) for column in columns)
        shown.add_row(name, *(percent(cell.percent, digits=1) for cell in cells))
    for comparison in comparisons:
        by_column = {difference.column: difference for difference in comparison.columns}
        found = [by_column.get(column) for column in columns]
        label = f"{comparison.arm.arm} - {comparison.baseline.arm}"
        shown.add_row()
        shown.add_row(label, *(points(item.difference) if item else "-" for item in found))
        shown.add_row("  95 % from", *(points(item.low) if item else "-" for item in found))
        shown.add_row("  95 % to", *(points(item.high) if item else "-" for item in found))
        new = [item.new_products if item else None for item in found]
        shown.add_row("  new products from", *(points(item.low if item else None) for item in new))
        shown.add_row("  new products to", *(points(item.high if item else None) for item in new))
    return shown


def specific_table(values: Sequence[SpecificValue], title: str) -> Table:
    """What two bases are worth beyond the words that any product's text shares with the options."""
    shown = plain_table(title)
    shown.add_column("base", no_wrap=True)
    add_columns(shown, [value.column for value in values])
    for name, found in (
        ("this", [value.base for value in values]),
        ("other", [value.baseline for value in values]),
        ("this - other", [value.difference for value in values]),
        ("  95 % from", [value.low for value in values]),
        ("  95 % to", [value.high for value in values]),
    ):
        shown.add_row(name, *map(points, found))
    return shown


def arms_notes(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """How to read the table: intervals, flips, and what could not be read."""
    for comparison in comparisons:
        average = next(item for item in comparison.columns if item.column == AVERAGE)
        yield (
            f"{comparison.arm.arm} against {comparison.baseline.arm}: {average.difference:+.1f} points "
            f"[{points(average.low)}, {points(average.high)}] on average; "
            f"{average.wrong_to_right} answers turn right, {average.right_to_wrong} turn wrong"
        )
    if comparisons:
        first = comparisons[0]
        yield (
            f"Intervals: for these products, {first.replicates} bootstrap draws over "
            f"{first.images} images (seed {first.seed})."
        )
    for rates in _rates(comparisons):
        lost = f"{rates.invalid} invalid and {rates.failed} failed replies"
        yield f"{rates.arm}: {lost} of {rates.questions} count as wrong"


def _rates(comparisons: Sequence[Comparison]) -> tuple[ArmRates, ...]:
    """Every arm once, only those that lost something."""
    rates = {side.arm: side for comparison in comparisons for side in (comparison.baseline, comparison.arm)}
    return tuple(side for side in rates.values() if side.invalid or side.failed)


def add_columns(shown: Table, columns: Sequence[str]) -> None:
    """Add a column of numbers for each subtask, and for `Average`, under its heading."""
    for heading in headings_of(columns).values():
        shown.add_column(escape(heading), justify="right", no_wrap=True)


def plain_table(title: str) -> Table:
    """A table without lines."""
    return Table(
        title=title,
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
        header_style="bold",
    )


def percent(number: float | None, digits: int = 2) -> str:
    """Without a sign; a dash where there is none."""
    return "-" if number is None else f"{number:.{digits}f}"


def points(difference: float | None) -> str:
    """Percentage points with their sign."""
    return "-" if difference is None else f"{difference:+.1f}"
