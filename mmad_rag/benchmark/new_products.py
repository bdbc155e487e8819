"""What a difference would be on products that nobody has measured yet.

Knowledge is given per product, so it is products that must be drawn, not questions. Each product is left out
in turn and the whole nested macro average, balanced accuracy inside, is computed again: a stratified
jackknife (Wolter, Introduction to Variance Estimation, 2007, chapter 4), the datasets fixed and products as
if drawn within them. A jackknife and no resampling of products, because a dataset may have five of them:
draws with replacement from five spread too little by a factor sqrt(4/5), and now and then hold no normal
image. And rather than a linearisation, because products have very different numbers of questions, and leaving
out a large one shows its whole weight.

    V_d = (C_d - 1) / C_d * sum over products p of d of (without p - mean over d of without)^2
    t   = difference / sqrt(sum of V_d)
    df  = (sum of V_d)^2 / sum of V_d^2 / (C_d - 1)       (Satterthwaite; C - 1 for one dataset)

C - 1 over all products would be too many where a few small datasets carry most of the variance. Beside it
stands the wild cluster bootstrap, see the module `wild`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.stats.jackknife import LeftOut
from mmad_rag.benchmark.stats.verdict import MARGIN, Verdict, judge
from mmad_rag.benchmark.stats.wild_bootstrap import wild_bootstrap

_NOTHING = 1e-9  # percentage points: rounding, not spread


@dataclass(frozen=True, slots=True)
class NewProducts:
    """A difference as it would be on new products of the same datasets."""

    products: int
    """How many were measured."""
    standard_error: float
    """In percentage points."""
    df: float
    """Degrees of freedom of the t distribution."""
    low: float
    """Lower end of the 95 % interval of the difference, by t."""
    high: float
    """Upper end."""
    p_value: float
    """Two-sided, by t, of the hypothesis that there is no difference."""
    adjusted_p: float
    """As `p_value`; in the subtasks of a comparison adjusted by Holm over them."""
    equivalence_p: float | None
    """Of the hypothesis that the difference is the margin or more; None where there is too little to tell."""
    wild_p: float
    """As `p_value`, by the wild cluster bootstrap."""
    wild_low: float | None
    """As `low`, by the wild cluster bootstrap; None where there is no lower end."""
    wild_high: float | None
    """As `high`; None where there is no upper end."""
    verdict: Verdict
    """By t, with `adjusted_p`."""


def on_new_products(
    left_out: LeftOut,
    contrast: npt.NDArray[np.float64],
    difference: float,
    column: int,
    *,
    margin: float = MARGIN,
    guarded: bool = False,
    seed: int = 0,
) -> NewProducts | None:
    """Estimate one column.

    Args:
        left_out: Averages without each product.
        contrast: How much of each arm goes into the difference, e.g. (-1, 1).
        difference: With every product.
        column: Its number.
        margin: Percentage points that do not matter.
        guarded: Whether so little was asked or changed that equality must not be concluded.
        seed: Of the wild bootstrap.

    Returns:
        None where the products cannot tell: a dataset has one product in this column, or no two differ.
    """
    from scipy.special import stdtr, stdtrit

    groups = left_out.groups(column)
    if min(map(len, groups)) < 2:
        return None
    without = left_out.averages[:, :, column] @ contrast
    pulls = [(len(group) - 1) * (without[group].mean() - without[group]) for group in groups]
    variances = [float(pull.var(ddof=1)) / len(pull) for pull in pulls]
    error = math.sqrt(sum(variances))
    if error < _NOTHING:
        return None
    df = error**4 / sum(found**2 / (len(pull) - 1) for found, pull in zip(variances, pulls, strict=True))
    reach = float(stdtrit(df, 0.975)) * error
    p_value = 2 * float(stdtr(df, -abs(difference) / error))
    equivalence = None if guarded else float(stdtr(df, (abs(difference) - margin) / error))
    wild = wild_bootstrap(difference, pulls, seed=seed)
    return NewProducts(
        products=sum(map(len, groups)),
        standard_error=error,
        df=df,
        low=difference - reach,
        high=difference + reach,
        p_value=p_value,
        adjusted_p=p_value,
        equivalence_p=equivalence,
        wild_p=wild.p_value,
        wild_low=wild.low,
        wild_high=wild.high,
        verdict=judge(difference, p_value, equivalence),
    )
