"""Measure how far stated confidences are from the share of right answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mmad_rag.retrieval_eval.decisions import Bools, Floats, Ints
from mmad_rag.retrieval_eval.metrics import Share, share

BINS = 15
"""Number of bins, as in section 2 of Guo et al. 2017."""


class Binning(StrEnum):
    """The ways in which confidences are put into bins."""

    EQUAL_WIDTH = "equal width"
    """Each bin spans 1/15 of [0, 1]."""
    EQUAL_MASS = "equal mass"
    """Each bin holds as many images, to within one."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Images of similar confidence."""

    low: float
    """Lower end of the bin: its edge for equal width, its least confidence for equal mass."""
    high: float
    """Upper end of the bin: its edge for equal width, its greatest confidence for equal mass."""
    confidence: float
    """Mean confidence of the bin's images."""
    right: Share
    """Share of the bin's images whose named product is right."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A reliability diagram as numbers."""

    binning: Binning
    error: float
    """Expected calibration error: mean over images of |share right - mean confidence| of the image's bin."""
    bins: tuple[Bin, ...]
    """The bins from low to high; bins without images are left out."""


def calibration(
    confidence: Floats, right: Bools, binning: Binning, *, bins: int = BINS
) -> Calibration | None:
    """The expected calibration error (Naeini et al. 2015; Guo et al. 2017); None without images.

    Bins of equal width include their upper edge, as in Guo et al.: (0, 1/15], (1/15, 2/15] ... Images of
    exactly the same confidence may fall on both sides of a border between bins of equal mass; each then
    counts with their mean, so that the order of the images does not matter.

    Args:
        confidence: Confidences in [0, 1], shape (n,).
        right: Whether the named product is right, shape (n,).
        binning: Kind of bins.
        bins: Number of bins, at least 1.
    """
    if not len(confidence):
        return None
    if binning is Binning.EQUAL_WIDTH:
        owner = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
        return _calibration(binning, confidence, right.astype(np.float64), owner, bins)
    order = np.argsort(confidence, kind="stable")
    owner = np.arange(len(confidence)) * bins // len(confidence)
    ordered = confidence[order]
    return _calibration(binning, ordered, _mean_of_equals(ordered, right[order]), owner, bins)


def _mean_of_equals(ordered: Floats, right: Bools) -> Floats:
    """The mean of `right` over all entries with the same confidence, for each entry."""
    _, owner, counts = np.unique(ordered, return_inverse=True, return_counts=True)
    means: Floats = (np.bincount(owner, weights=right) / counts)[owner]
    return means


def _calibration(binning: Binning, confidence: Floats, right: Floats, owner: Ints, bins: int) -> Calibration:
    counts = np.bincount(owner, minlength=bins)
    total = np.bincount(owner, weights=confidence, minlength=bins)
    hits = np.bincount(owner, weights=right, minlength=bins)
    error = float(np.abs(hits - total).sum() / len(confidence))
    found = []
    for number in np.flatnonzero(counts):
        members = confidence[owner == number]
        wide = binning is Binning.EQUAL_WIDTH
        low = number / bins if wide else float(members.min())
        high = (number + 1) / bins if wide else float(members.max())
        count = int(counts[number])
        found.append(Bin(low, high, float(members.mean()), share(round(float(hits[number])), count)))
    return Calibration(binning, error, tuple(found))
