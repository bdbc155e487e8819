"""What a table of a page is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmad_rag.report.tables.scores import points

NOTHING = "-"
"""In a cell that has nothing to say."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table."""

    text: str
    """The value."""
    details: tuple[str, ...] = ()
    """Smaller lines below it."""


@dataclass(frozen=True, slots=True)
class GridRow:
    """One row of a table."""

    head: Cell
    """What the row is about."""
    cells: tuple[Cell, ...]
    """In the order of the headings."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table of a page."""

    caption: str
    """What it shows."""
    corner: str
    """Heading of the first column."""
    heads: tuple[str, ...]
    """Headings of the other columns."""
    rows: tuple[GridRow, ...]
    """From top to bottom."""


def percent(number: float | None) -> str:
    """With one digit."""
    return NOTHING if number is None else f"{number:.1f}"


def within(low: float | None, high: float | None, shown: Callable[[float | None], str]) -> tuple[str, ...]:
    """An interval as the small line below a value, e.g. `[+1.0, +5.2]`; nothing where there is none."""
    return () if low is None or high is None else (f"[{shown(low)}, {shown(high)}]",)


def interval_text(value: float, low: float | None, high: float | None, *, signed: bool) -> str:
    """E.g. `+3.1 [+1.0, +5.2]`."""
    shown = points if signed else percent
    return " ".join((shown(value), *within(low, high, shown)))
