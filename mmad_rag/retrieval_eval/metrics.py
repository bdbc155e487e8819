"""Shares with their intervals, and how well a score tells known images from unknown ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from mmad_rag.retrieval_eval.decisions import Floats

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, with the 95 % interval of the share."""

    count: int
    n: int
    """At least 0."""
    share: float | None
    """In [0, 1]; None of nothing."""
    low: float | None
    """Lower end of Wilson's 95 % interval."""
    high: float | None
    """Upper end."""


def share(count: int, n: int) -> Share:
    """A share with Wilson's score interval (Wilson 1927, J. Am. Stat. Assoc. 22, p. 209).

    Example:
        >>> found = share(9, 10)
        >>> found.share, round(found.low, 3), round(found.high, 3)
        (0.9, 0.596, 0.982)
    """
    count, n = int(count), int(n)
    if n == 0:
        return Share(count, n, None, None, None)
    part = count / n
    middle = (part + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(part * (1 - part) / n + _Z**2 / (4 * n**2))
    # At 0 of n and n of n the exact ends are 0 and 1; rounding must not put the share outside its interval.
    return Share(count, n, part, min(part, max(0.0, middle - half)), max(part, min(1.0, middle + half)))


def auroc(known: Floats, unknown: Floats) -> float | None:
    """The chance that a known image scores higher than an unknown one, a tie counting half.

    The area under the ROC curve, by its equality with the Mann-Whitney statistic (Hanley and McNeil 1982).
    None when there is nothing on one side.

    Example:
        >>> auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
        0.875
    """
    if not len(known) or not len(unknown):
        return None
    order = np.sort(unknown)
    below = np.searchsorted(order, known, side="left")
    not_above = np.searchsorted(order, known, side="right")
    return float((below + not_above).sum() / (2 * len(known) * len(unknown)))


def threshold_at_recall(known: Floats, recall: float = 0.95) -> float:
    """The highest threshold that at least this share of the known images reaches.

    Args:
        known: At least one score.
        recall: In (0, 1].
    """
    needed = max(1, math.ceil(recall * len(known) - 1e-9))
    return float(np.sort(known)[len(known) - needed])
