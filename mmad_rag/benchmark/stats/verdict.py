"""Put a difference into one verdict.

Equivalence is tested by two one-sided tests at 5 % each (Schuirmann, J. Pharmacokin. Biopharm. 15, 1987): the
90 % interval lies inside the margin. Equivalence is tested first, because a difference that is certain, but
certainly below the margin, is of no use.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

LEVEL = 0.05
"""Significance level of every test."""
MARGIN = 1.0
"""Default margin of equivalence, in percentage points."""


class Verdict(StrEnum):
    """The conclusion from a difference."""

    BETTER = "better"
    """The arm is better than the baseline."""
    WORSE = "worse"
    """The arm is worse."""
    NO_DIFFERENCE = "no meaningful difference"
    """The difference, if there is one, is smaller than the margin."""
    UNDECIDED = "undecided"
    """The data allow a meaningful difference as well as none."""


def judge(difference: float, p_value: float | None, equivalence_p: float | None) -> Verdict:
    """The verdict on a difference.

    Args:
        difference: The arm minus the baseline.
        p_value: P-value of the hypothesis that there is no difference, adjusted if several are tested; None:
            not tested.
        equivalence_p: P-value of the hypothesis that the difference is the margin or more; None: not tested.
    """
    if equivalence_p is not None and equivalence_p < LEVEL:
        return Verdict.NO_DIFFERENCE
    if p_value is None or p_value >= LEVEL or difference == 0:
        return Verdict.UNDECIDED
    return Verdict.BETTER if difference > 0 else Verdict.WORSE


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """P-values adjusted by Holm, in the order given; None (not tested) stays None.

    The chance that any true null hypothesis is rejected stays below the level, whatever the dependence
    between the tests (Holm, Scandinavian Journal of Statistics 6, 1979).

    Example:
        `holm([0.01, 0.04, 0.03])` is (0.03, 0.06, 0.06).
    """
    tested = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    so_far = 0.0
    for rank, (value, place) in enumerate(tested):
        so_far = max(so_far, min(1.0, (len(tested) - rank) * value))
        adjusted[place] = so_far
    return tuple(adjusted)
