"""The probability that an image shows a product of the catalogue at all."""

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
"""Text score, in deviations above the mean over the catalogue, from which an image is taken for a known
product by text alone; used without a calibration."""
_TEXT_SLOPE = 6.0
_NEAR = 0.6
_NEAR_SLOPE = 20.0
"""Slope of the curve by references alone, which is 0.5 at a cosine of 0.6; used without a calibration."""


class Evidence(StrEnum):
    """The kind of scores that the first product has."""

    REFERENCE = "reference"
    BOTH = "both"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class OpenSetFeatures:
    """The numbers from which the open-set probability is computed, one row per image."""

    evidence: tuple[Evidence, ...]
    """Kind of evidence for each image's first product."""
    numbers: npt.NDArray[np.float64]
    """Shape (n, 4): nearest and typical reference cosine, standardised text score, its lead over the next
    product's; NaN where the first product has none."""

    def of(self, evidence: Evidence) -> npt.NDArray[np.float64]:
        """The columns that the given kind of evidence uses, for all images."""
        return self.numbers[:, _COLUMNS[evidence]]


_COLUMNS = {Evidence.REFERENCE: [0, 1], Evidence.BOTH: [0, 1, 2], Evidence.TEXT: [2, 3]}


def known_features(scores: ProductScores, fused: Fused) -> OpenSetFeatures:
    """The features of each image's first product."""
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
    return OpenSetFeatures(tuple(kinds), numbers)


def known_probability(features: OpenSetFeatures, products: int, calibration: Calibration | None) -> float:
    """The probability that the first (or only) image of `features` shows a product of the catalogue.

    Args:
        features: The features of one image.
        products: Number of products with text keys; a score cannot stand out among two.
        calibration: The fitted curves; None uses fixed rules of thumb.
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
    """Lead of the first product's text score over the best other one; NaN where it has none."""
    row = np.arange(len(text))
    others = text.copy()
    others[row, first] = np.nan
    others = np.where(np.isnan(others), -np.inf, others)
    best = others.max(axis=1)
    lead: npt.NDArray[np.float64] = text[row, first] - np.where(np.isfinite(best), best, 0.0)
    return lead
