"""How often routing must be right before knowledge pays.

With the right product's text an answer is right as often as in the arm `oracle`, with another's as often as
in `wrong`. Routing that is right with probability p then breaks even with no knowledge at

    oracle * p + wrong * (1 - p) = none,   p = (none - wrong) / (oracle - wrong)

A ratio has no interval of its own where its denominator may be zero (Fieller, JRSS B 16, 1954). Draws in
which `oracle` is not above `wrong` allow for any p, and are put into both tails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.score.macro_average import COLUMNS
from mmad_rag.benchmark.stats.resample import TAILS, JointArms

ARMS = ("none", "oracle", "wrong")
"""The arms that are needed."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The routing accuracy at which knowledge starts to pay in one column, on these products."""

    column: str
    """A subtask, or `Average`."""
    percent: float | None
    """Below 0: even the wrong text helps. Above 100: even the right one does not. None: `oracle` is not above
    `wrong`, so that routing does not matter."""
    low: float | None
    """Lower end of the 95 % interval, from joint draws of images; None: without end."""
    high: float | None
    """Upper end; None: without end."""


def break_even(joint: JointArms) -> tuple[BreakEven, ...]:
    """The break-even point of every column that has questions; nothing where one of `ARMS` was not run."""
    if not set(ARMS) <= set(joint.arms):
        return ()
    none, oracle, wrong = (joint.arms.index(arm) for arm in ARMS)

    def solved(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Per column; infinite where any share would do, NaN where nothing was asked."""
        gained = table[..., oracle, :] - table[..., wrong, :]
        wanted = table[..., none, :] - table[..., wrong, :]
        shares = np.full(gained.shape, np.inf)
        np.divide(100 * wanted, gained, out=shares, where=gained > 0)
        return np.where(np.isnan(gained), np.nan, shares)

    found, drawn = solved(joint.observed), solved(joint.drawn)
    return tuple(
        BreakEven(COLUMNS[place], _finite(found[place]), *_interval(drawn[:, place]))
        for place in np.flatnonzero(~np.isnan(found)).tolist()
    )


def _interval(drawn: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    there = drawn[~np.isnan(drawn)]
    if not len(there):
        return None, None
    low, high = TAILS
    # order statistics, outwards: between a number and an infinite one there is nothing to interpolate
    ends = (
        np.quantile(np.where(np.isinf(there), -np.inf, there), low, method="lower"),
        np.quantile(there, high, method="higher"),
    )
    return _finite(ends[0]), _finite(ends[1])


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
