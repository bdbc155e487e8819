"""Exact and near-exact statistics for cells of a few hundred questions.

McNemar, Psychometrika 12 (1947): a question that flips (is right in one arm only) is equally likely to flip
in either direction when the arms are equal, so the two-sided p-value is a binomial tail. Wilson, JASA 22
(1927): the score interval of a share keeps its coverage in small samples and near 0 or 1. Both assume that
questions are independent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from mmad_rag.errors import DataError

SMALL_CELL = 300
"""Number of questions below which a resampled interval is not relied on alone."""
FEW_FLIPS = 10
"""Number of flips below which a resampled interval is not relied on alone."""


@dataclass(frozen=True, slots=True)
class SmallCell:
    """Exact statistics of a column that has few questions, all datasets pooled."""

    mcnemar_p: float
    """Two-sided exact p-value of the flips, by McNemar's test."""
    baseline_low: float
    """Lower end of the 95 % Wilson interval of the baseline's share of right answers, in percent."""
    baseline_high: float
    """Upper end of the baseline's interval."""
    arm_low: float
    """Lower end of the arm's interval."""
    arm_high: float
    """Upper end of the arm's interval."""


def small_cell(questions: int, baseline: int, arm: int, gained: int, lost: int) -> SmallCell:
    """The exact statistics of a column.

    Args:
        questions: Number of questions in the column.
        baseline: Number of questions right in the baseline.
        arm: Number of questions right in the arm.
        gained: Number of questions right in the arm only.
        lost: Number of questions right in the baseline only.
    """
    before, after = wilson(baseline, questions), wilson(arm, questions)
    return SmallCell(mcnemar(gained, lost), *(100 * end for end in (*before, *after)))


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p-value of this many flips in either direction, e.g. `mcnemar(3, 0)` is 0.25."""
    flips = gained + lost
    tail = sum(math.comb(flips, count) for count in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / (1 << flips))


def wilson(right: int, questions: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Ends of Wilson's score interval of a share, in [0, 1].

    Raises:
        DataError: there are no questions.
    """
    if questions < 1:
        raise DataError("a share of 0 questions has no interval; leave the column out")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = right / questions
    centre = (share + z * z / (2 * questions)) / (1 + z * z / questions)
    spread = z * math.sqrt(share * (1 - share) / questions + (z / (2 * questions)) ** 2)
    spread /= 1 + z * z / questions
    low = 0.0 if right == 0 else centre - spread
    return low, 1.0 if right == questions else centre + spread


def too_few(questions: int, flips: int, margin: float) -> bool:
    """Whether too little changed, or was asked, to exclude that the arms differ by more than the margin.

    A resampled interval of a column in which nothing changes has no width, whether it holds four questions or
    forty thousand. In columns with few questions or few flips, the share of flips must therefore be bounded
    below the margin (upper end of its 90 % Wilson interval).

    Args:
        questions: Number of questions in the column.
        flips: Number of questions right in one arm only.
        margin: Margin of equivalence, in percentage points.
    """
    if questions >= SMALL_CELL and flips >= FEW_FLIPS:
        return False
    return 100 * wilson(flips, questions, confidence=0.9)[1] >= margin
