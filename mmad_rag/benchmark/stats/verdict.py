"""Put a difference into one word.

Equivalence is tested by two one-sided tests at 5 % each (Schuirmann, J. Pharmacokin. Biopharm. 15, 1987): the
90 % interval lies inside the margin. It comes first: a difference that is certain and certainly below the
margin is of no use to anyone.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

LEVEL = 0.05
"""Of every test."""
MARGIN = 1.0
"""Percentage points that matter to nobody, by default."""


class Verdict(StrEnum):
    """What a difference amounts to."""

    BETTER = "better"
    """The arm is better than the baseline."""
    WORSE = "worse"
    """The arm is worse."""
    NO_DIFFERENCE = "no meaningful difference"
    """Whatever the difference is, it is smaller than the margin."""
    UNDECIDED = "undecided"
    """The data allow for a meaningful difference as well as for none."""


def judge(difference: float, p_value: float | None, equivalence_p: float | None) -> Verdict:
    """The verdict.

    Args:
        difference: Of the arm to the baseline.
        p_value: Of the hypothesis that there is none, adjusted where several are looked at; None: not tested.
        equivalence_p: Of the hypothesis that it is the margin or more; None: not tested.
    """
    if equivalence_p is not None and equivalence_p < LEVEL:
        return Verdict.NO_DIFFERENCE
    if p_value is None or p_value >= LEVEL or difference == 0:
        return Verdict.UNDECIDED
    return Verdict.BETTER if difference > 0 else Verdict.WORSE


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values in the order given; None stays None, as no test was made.

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
