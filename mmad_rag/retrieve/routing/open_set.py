"""How likely it is that an image shows a product of the catalogue at all."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from mmad_rag.index.manifest import Calibration, Logistic
from mmad_rag.retrieve.routing.fuse import Fused
from mmad_rag.retrieve.routing.scores import ProductScores

_STANDS_OUT = 2.7
"""Deviations above the mean over the catalogue at which a text score alone is taken for a known product, as
long as nothing was fitted."""
_TEXT_SLOPE = 6.0
_NEAR = 0.6
_NEAR_SLOPE = 20.0
"""For references alone, as long as nothing was fitted: a cosine of 0.6 is as likely known as not."""


class Evidence(StrEnum):
    """What speaks for the first product."""

    REFERENCE = "reference"
    BOTH = "both"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class KnownFeatures:
    """The numbers that the probability is computed from, one row per image."""

    evidence: tuple[Evidence, ...]
    """Of each image's first product."""
    numbers: npt.NDArray[np.float64]
    """Shape (n, 4): nearest and typical reference cosine, standardised text score, its lead over the next
    product's; NaN where the first product has none."""

    def of(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """The columns that this kind of evidence uses, for all images."""
        return self.numbers[:, _COLUMNS[evidence]]


_COLUMNS = {Evidence.REFERENCE: [0, 1], Evidence.BOTH: [0, 1, 2], Evidence.TEXT: [2, 3]}


def known_features(scores: ProductScores, fused: Fused) -> KnownFeatures:
    """What is known about each image's first product."""
    row, first = np.arange(len(fused.total)), fused.first
    numbers = np.stack(
        [
            scores.nearest[row, first],
            scores.typical[row, first],
            fused.text_standardised[row, first],
            _lead(fused.text_standardised, first),
        ],
        axis=1,
    )
    kinds = (
        Evidence.TEXT if np.isnan(nearest) else Evidence.REFERENCE if np.isnan(text) else Evidence.BOTH
        for nearest, _, text, _ in numbers
    )
    return KnownFeatures(tuple(kinds), numbers)


def known_probability(features: KnownFeatures, products: int, calibration: Calibration | None) -> float:
    """The probability for the first (or only) image of `features`.

    Args:
        features: Of one image.
        products: How many products have text keys; a score cannot stand out among two.
        calibration: What was fitted; without it, fixed rules of thumb are used.
    """
    evidence = features.evidence[0]
    numbers = [float(number) for number in features.of(evidence)[0]]
    fitted = _fitted(evidence, calibration) or _rule_of_thumb(evidence, products)
    return fitted.probability(numbers)


def _fitted(evidence: Evidence, calibration: Calibration | None) -> Logistic | None:
    if calibration is None:
        return None
    found = {
        Evidence.REFERENCE: calibration.reference,
        Evidence.BOTH: calibration.both,
        Evidence.TEXT: calibration.text,
    }
    return found[evidence]


def _rule_of_thumb(evidence: Evidence, products: int) -> Logistic:
    if evidence is Evidence.TEXT:
        largest = (products - 1) / math.sqrt(products) if products else 0.0
        threshold = min(_STANDS_OUT, 0.6 * largest)
        return Logistic(weights=(_TEXT_SLOPE, 0.0), bias=-_TEXT_SLOPE * threshold)
    weights = (_NEAR_SLOPE, 0.0) if evidence is Evidence.REFERENCE else (_NEAR_SLOPE, 0.0, 0.0)
    return Logistic(weights=weights, bias=-_NEAR_SLOPE * _NEAR)


def _lead(text: npt.NDArray[np.float64], first: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """How far the first product's text score lies above the best other one; NaN where it has none."""
    row = np.arange(len(text))
    others = text.copy()
    others[row, first] = np.nan
    others = np.where(np.isnan(others), -np.inf, others)
    best = others.max(axis=1)
    lead: npt.NDArray[np.float64] = text[row, first] - np.where(np.isfinite(best), best, 0.0)
    return lead
