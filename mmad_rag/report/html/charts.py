"""Lay out dots with whiskers in the coordinates of a drawing.

A chart shows what a table beside it says, so it holds no number that is not in the table. A row has up to two
marks: on these products (a dot, a solid line) and on new products (a diamond, a dashed line), told apart by
shape, so that no colour is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.stats.estimate import Estimate

_STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200)
"""Steps between grid lines, in percent or points."""
_WIDTH, _LEFT, _RIGHT = 760.0, 160.0, 170.0
_TOP, _BOTTOM, _ROW, _APART = 8.0, 28.0, 32.0, 9.0
_GRID_LINES = 6
_LONGEST = 22
"""Characters of a label that fit at the left."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one row of a chart shows."""

    label: str
    """Text at the left."""
    text: str
    """The numbers, at the right."""
    here: Estimate
    """Value on these products, in the unit of the chart."""
    new: Estimate | None = None
    """Value on new products; None where nothing is known of them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its whisker, in the drawing."""

    x: float
    """Horizontal place of the point."""
    y: float
    """Vertical place of the point and the whisker."""
    low: float | None
    """Left end of the whisker; None without one."""
    high: float | None
    """Right end of the whisker; None without one."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row, in the drawing."""

    label: str
    """Text at the left."""
    text: str
    """Text at the right."""
    y: float
    """Vertical place of the middle of the row."""
    here: Mark
    """Mark of the value on these products."""
    new: Mark | None
    """Mark of the value on new products; None where nothing is known of them."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line."""

    x: float
    """Horizontal place of the grid line."""
    label: str
    """Its number."""
    zero: bool
    """Whether it is the line of no difference."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of dots with whiskers; all places in its own units."""

    name: str
    """What it shows, for those who do not see it."""
    width: float
    height: float
    left: float
    """Place where the labels end and the plot begins."""
    right: float
    """Place where the plot ends."""
    bottom: float
    """Lower end of the grid lines."""
    ticks: tuple[Tick, ...]
    """Grid lines from left to right."""
    rows: tuple[Row, ...]
    """Rows from top to bottom."""


def dot_chart(name: str, entries: Sequence[Entry], *, signed: bool) -> Chart:
    """Lay out a chart.

    Args:
        name: What it shows.
        entries: At least one.
        signed: Differences: zero is in the plot and every number has its sign. Else percent in [0, 100].
    """
    numbers = [0.0] if signed else []
    for entry in entries:
        for interval in filter(None, (entry.here, entry.new)):
            ends = (interval.value, interval.low, interval.high)
            numbers += [end for end in ends if end is not None]
    grid = _grid(min(numbers), max(numbers))
    if not signed:
        grid = tuple(number for number in grid if 0 <= number <= 100)
    left, right = _LEFT, _WIDTH - _RIGHT
    scale = (right - left) / (grid[-1] - grid[0])

    def place(number: float | None) -> float | None:
        return None if number is None else round(left + (number - grid[0]) * scale, 1)

    def mark(interval: Estimate, y: float) -> Mark:
        return Mark(place(interval.value) or 0.0, y, place(interval.low), place(interval.high))

    rows = []
    for number, entry in enumerate(entries):
        y = _TOP + _ROW * (number + 0.5)
        apart = 0.0 if entry.new is None else _APART
        new = None if entry.new is None else mark(entry.new, y + apart / 2)
        rows.append(Row(_fitting(entry.label), entry.text, y, mark(entry.here, y - apart / 2), new))
    ticks = tuple(
        Tick(
            place(number) or 0.0, f"{number:+d}" if signed and number else str(number), signed and not number
        )
        for number in grid
    )
    bottom = _TOP + _ROW * len(entries)
    return Chart(name, _WIDTH, bottom + _BOTTOM, left, right, bottom, ticks, tuple(rows))


def _fitting(label: str) -> str:
    return label if len(label) <= _LONGEST else label[: _LONGEST - 1].rstrip() + "…"


def _grid(low: float, high: float) -> tuple[int, ...]:
    """Round numbers that reach from at most `low` to at least `high`."""
    if high - low < 1:
        low, high = low - 0.5, high + 0.5
    wanted = (high - low) / _GRID_LINES
    step = next((step for step in _STEPS if step >= wanted), _STEPS[-1])
    first, last = math.floor(low / step), math.ceil(high / step)
    return tuple(step * number for number in range(first, last + 1))
