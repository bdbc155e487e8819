"""The wild cluster bootstrap of a difference whose clusters are products.

The method is that of Cameron, Gelbach & Miller, Review of Economics and Statistics 90 (2008), with the null
hypothesis imposed: the contribution of each product is centred on the hypothesis and multiplied by a random
weight, and the t statistic of the true data is ranked among those of the draws. The interval holds the
differences that are not rejected at 5 %.

The weights are Webb's six points (Webb, Canadian Journal of Economics 56, 2023). With C products the usual
two points, -1 and 1, make only 2^(C-1) different statistics, 16 for the five products of MVTec LOCO alone:
too few for a test at 5 %. Six points make thousands, and for many products both agree. With five products a
true hypothesis is still rejected 6 to 9 % of the time (`benchmarks/coverage.py`), so verdicts use the t
distribution.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.stats.verdict import LEVEL

WILD_DRAWS = 1_999
"""Number of bootstrap draws."""
_WEBB = np.sqrt([0.5, 1.0, 1.5])
_POINTS = np.concatenate([-_WEBB, _WEBB])
_HALVINGS = 40
_FARTHEST = 100.0  # standard errors: if nothing is rejected up to here, nothing beyond is


@dataclass(frozen=True, slots=True)
class Wild:
    """The result of the wild bootstrap for a difference."""

    p_value: float
    """Two-sided p-value of the hypothesis that there is no difference."""
    low: float | None
    """Lower end of the 95 % interval; None if every value below is possible."""
    high: float | None
    """Upper end of the 95 % interval; None if every value above is possible."""


def wild_bootstrap(
    difference: float,
    contributions: Sequence[npt.NDArray[np.float64]],
    *,
    draws: int = WILD_DRAWS,
    seed: int = 0,
) -> Wild:
    """Test a mean over strata, and invert the test into an interval.

    Args:
        difference: The mean over the strata of their means.
        contributions: The contribution of each product to its stratum's mean, divided by the number of strata
            and centred, one array per stratum: at least two products, of which some differ.
        draws: Number of bootstrap draws.
        seed: Seed for the bootstrap draws.
    """
    variance = sum(float(found.var(ddof=1)) / len(found) for found in contributions)
    error = math.sqrt(variance)
    rejects = _p_values(contributions, error, draws, seed)
    return Wild(
        p_value=rejects(difference),
        low=_shifted(difference, -_reach(rejects, error)),
        high=_shifted(difference, _reach(lambda shift: rejects(-shift), error)),
    )


def _shifted(difference: float, reach: float) -> float | None:
    return difference + reach if math.isfinite(reach) else None


def _p_values(
    contributions: Sequence[npt.NDArray[np.float64]], error: float, draws: int, seed: int
) -> Callable[[float], float]:
    """The p-value as a function of how far the hypothesis lies below the difference.

    A draw's mean is linear in that distance and its squared standard error quadratic, so their coefficients
    are computed once.
    """
    rng = np.random.default_rng(seed)
    mean = np.zeros((2, draws))
    square = np.zeros((3, draws))
    share = 1 / len(contributions)
    for found in contributions:
        count = len(found)
        weights = rng.choice(_POINTS, size=(draws, count))
        squared = weights**2
        own, shift = weights @ found / count, share * weights.mean(axis=1)
        mean += (own, shift)
        moments = (
            squared @ found**2 / count,
            share * (squared @ found) / count,
            share**2 * squared.mean(axis=1),
        )
        square += np.array([moments[0] - own**2, 2 * (moments[1] - own * shift), moments[2] - shift**2]) / (
            count - 1
        )

    def p_value(distance: float) -> float:
        errors = np.sqrt(np.maximum(square[0] + distance * square[1] + distance**2 * square[2], 0.0))
        # compared as products: a draw without spread counts as extreme
        extreme = np.abs(mean[0] + distance * mean[1]) * error >= abs(distance) * errors * (1 - 1e-12)
        return float((1 + extreme.sum()) / (1 + draws))

    return p_value


def _reach(p_value: Callable[[float], float], error: float) -> float:
    """Distance from the difference to the last value that is not rejected; infinite if no value is
    rejected."""
    inside, outside = 0.0, error
    while p_value(outside) >= LEVEL:
        inside, outside = outside, 2 * outside
        if outside > _FARTHEST * error:
            return math.inf
    for _ in range(_HALVINGS):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if p_value(middle) >= LEVEL else (inside, middle)
    return outside
