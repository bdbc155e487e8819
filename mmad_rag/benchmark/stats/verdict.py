"""Put a difference into one word.

Equivalence is tested by two one-sided tests at 5 % each (Schuirmann, J. Pharmacokin. Biopharm. 15, 1987): the
90 % interval lies inside the margin. It comes first: a difference that is certain and certainly below the
margin is of no use to anyone.
"""

from __future__ import annotations

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
