"""A value with its interval in one column of a table of scores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; its holder says of what, and whether in percent or in points."""

    column: str
    """A subtask, or `Average`."""
    value: float
    """What was observed, unrounded."""
    low: float | None
    """Lower end of the 95 % interval; None where nothing tells it."""
    high: float | None
    """Upper end; None where nothing tells it."""
