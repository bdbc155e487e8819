"""How far stated confidences are from how often they are right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mmad_rag.retrieval_eval.decisions import Bools, Floats, Ints
from mmad_rag.retrieval_eval.metrics import Share, share

BINS = 15
"""As in Guo et al. 2017, section 2."""


class Binning(StrEnum):
    """How confidences are put into bins."""

    EQUAL_WIDTH = "equal width"
    """Each bin spans 1/15 of [0, 1]."""
    EQUAL_MASS = "equal mass"
    """Each bin holds as many images, to within one."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Images of about the same confidence."""

    low: float
    """Least confidence of the bin: its edge at equal width, its least member at equal mass."""
    high: float
    """Greatest confidence of the bin."""
    confidence: float
    """Mean confidence of its images."""
    right: Share
    """Of its images."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A reliability diagram in figures."""

    binning: Binning
    error: float
    """Expected calibration error: mean over images of |share right - mean confidence| of their bin."""
    bins: tuple[Bin, ...]
    """From low to high; bins without images are left out."""


def calibration(
    confidence: Floats, right: Bools, binning: Binning, *, bins: int = BINS
) -> Calibration | None:
    """The expected calibration error (Naeini et al. 2015; Guo et al. 2017); None without images.

    At equal width a bin takes its upper edge, as in Guo et al.: (0, 1/15], (1/15, 2/15] ... At equal mass,
    images of exactly the same confidence may fall to either side of a border; each then counts with the
    mean of them all, so that the order of the images does not matter.

    Args:
        confidence: Shape (n,), in [0, 1].
        right: Shape (n,): whether what was named is right.
        binning: Which kind of bins.
        bins: How many, at least 1.
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
    """For each entry the mean of `right` over the entries of the same confidence."""
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
