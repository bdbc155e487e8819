"""What a table is made of, whoever draws it: a terminal, a notebook or a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.report.tables.numbers import NOTHING, interval

HERE = "95 %"
"""Names the interval on these products."""
ELSEWHERE = "new products"
"""Names the interval on new products."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of a cell, as text."""

    name: str
    """E.g. `HERE`; alike in all cells of a row that show the same."""
    low: str
    """Lower end, or a dash."""
    high: str
    """Upper end, or a dash."""
    text: str
    """Both in brackets; what is said in place of them, or nothing, where there is no interval."""


@dataclass(frozen=True, slots=True)
class TableCell:
    """One cell of a table."""

    text: str
    """The value."""
    intervals: tuple[Interval, ...] = ()
    """Intervals of the value."""
    notes: tuple[str, ...] = ()
    """What is said beside the value."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """What stands over a column."""

    heading: str
    """Heading in full."""
    short: str = ""
    """Heading where there is little room; empty: the full one."""
    number: bool = True
    """Whether it holds numbers, which stand at the right."""
    wraps: bool = False
    """Whether its lines may be broken."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row of a table."""

    head: TableCell
    """What the row is about."""
    cells: tuple[TableCell, ...]
    """Cells in the order of the columns after the first."""
    apart: bool = False
    """Whether it begins another part of the table."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table."""

    title: str
    """What it shows."""
    columns: tuple[TableColumn, ...]
    """Columns from left to right; the first holds the rows' heads."""
    rows: tuple[TableRow, ...]
    """Rows from top to bottom."""
    legend: str = ""
    """What the intervals are, for those who draw them without their names."""


def table_row(head: str | TableCell, cells: Iterable[str | TableCell], *, apart: bool = False) -> TableRow:
    """A row of which some cells may be mere text."""
    whole = [TableCell(cell) if isinstance(cell, str) else cell for cell in (head, *cells)]
    return TableRow(whole[0], tuple(whole[1:]), apart)


def plain_table(title: str, rows: Iterable[Sequence[str]], *headings: str, numbers: bool = True) -> Table:
    """A table of mere text; all columns but the first hold numbers, or none does."""
    first, *others = headings
    columns = (TableColumn(heading, number=numbers, wraps=not numbers) for heading in others)
    return Table(title, (corner(first), *columns), tuple(table_row(row[0], row[1:]) for row in rows))


def corner(heading: str, short: str = "") -> TableColumn:
    """The column of the rows' heads."""
    return TableColumn(heading, short, number=False)


def named_interval(
    name: str,
    low: float | None,
    high: float | None,
    shown: Callable[[float | None], str],
    *,
    otherwise: str = "",
) -> Interval:
    """An interval as text; `otherwise` is said in place of the brackets where an end is absent."""
    return Interval(name, shown(low), shown(high), interval(low, high, shown, otherwise=otherwise))


def estimate_cell(
    estimate: Estimate | None,
    shown: Callable[[float | None], str],
    *,
    elsewhere: Estimate | None = None,
    both: bool = False,
    untold: str = "",
) -> TableCell:
    """A value with its interval on these products, a dash without one.

    Args:
        estimate: On these products.
        shown: Writes a number.
        elsewhere: The same on new products.
        both: Whether the interval on new products is shown.
        untold: What is said where it is not known.
    """
    if estimate is None:
        return TableCell(NOTHING)
    intervals = [named_interval(HERE, estimate.low, estimate.high, shown)]
    if both:
        ends = (None, None) if elsewhere is None else (elsewhere.low, elsewhere.high)
        intervals.append(named_interval(ELSEWHERE, *ends, shown, otherwise=untold))
    return TableCell(shown(estimate.value), tuple(intervals))


def text_rows(table: Table) -> Iterator[tuple[str, ...]]:
    """Every row as texts, for where a cell is one line: the ends of intervals get rows of their own."""
    for row in table.rows:
        if row.apart:
            yield ("",) * len(table.columns)
        yield (": ".join((row.head.text, *row.head.notes)), *map(_line, row.cells))
        for name in dict.fromkeys(found.name for cell in row.cells for found in cell.intervals):
            ends = [next((item for item in cell.intervals if item.name == name), None) for cell in row.cells]
            yield (f"  {name} from", *(item.low if item else NOTHING for item in ends))
            yield (f"  {name} to", *(item.high if item else NOTHING for item in ends))


def _line(cell: TableCell) -> str:
    return f"{cell.text} ({'; '.join(cell.notes)})" if cell.notes else cell.text
