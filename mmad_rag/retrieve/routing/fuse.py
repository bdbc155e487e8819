"""Fuse text and reference scores into one score per product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.index.manifest import ReferenceScale
from mmad_rag.retrieve.routing.scores import ProductScores, Scores

TEXT_WEIGHT = 0.3
REFERENCE_WEIGHT = 0.7
"""References are the stronger key; a product that has only one kind is judged by that kind alone."""
_NO_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Fused:
    """Scores of images against products, shape (n, P) each."""

    total: Scores
    """Higher is better, comparable within one image; -inf for a product with nothing to compare with."""
    text: Scores
    """What text adds to the total, 0 where there is none."""
    reference: Scores
    """What references add to it, 0 where there are none."""
    text_standardised: Scores
    """Text in deviations above the mean over the products; NaN where there is none."""
    reference_spread: npt.NDArray[np.float64]
    """Deviation of the reference scores over the products, shape (n,); 0 where they do not differ."""
    text_spread: npt.NDArray[np.float64]
    """Likewise of the text scores."""

    @property
    def first(self) -> npt.NDArray[np.int64]:
        """The best product of each image, shape (n,); the earlier one of two equal ones."""
        best: npt.NDArray[np.int64] = self.total.argmax(axis=1)
        return best


def fuse(scores: ProductScores, scale: ReferenceScale) -> Fused:
    """Standardise each kind over the products, then add both with fixed weights.

    The two cones of a CLIP space are never ranked in one list: each kind is centred on its own mean over the
    catalogue and divided by its own spread first. References are standardised over all products that can be
    named: one without references counts with the level of a stranger, and a spread is never taken for
    smaller than the scale's, so that a single product with references, or few, is judged as among many. What
    a product lacks does not count against it: see `_credit`.
    """
    text, text_spread = _standardised(scores.text_centred, 0.0)
    lacking = np.isnan(scores.ranked) & ~np.isnan(text)
    filled = np.where(lacking, scale.level, scores.ranked)
    reference, reference_spread = _standardised(filled, scale.spread)
    reference = np.where(np.isnan(scores.ranked), np.nan, reference)
    reference = np.where(lacking, _credit(scores.ranked, reference, scale)[:, None], reference)
    both = ~np.isnan(text) & ~np.isnan(reference)
    text_part = np.nan_to_num(text) * np.where(both, TEXT_WEIGHT, 1.0)
    reference_part = np.nan_to_num(reference) * np.where(both, REFERENCE_WEIGHT, 1.0)
    nothing = np.isnan(text) & np.isnan(reference)
    total = np.where(nothing, -np.inf, text_part + reference_part)
    return Fused(total, text_part, reference_part, text, reference_spread, text_spread)


def _credit(ranked: Scores, reference: Scores, scale: ReferenceScale) -> npt.NDArray[np.float64]:
    """What products are given for references that they lack, shape (n,); NaN where no product has any.

    As much as the best product has by its references, so that text alone decides between them, less the more
    convincing that product is by itself.
    """
    nearest = np.where(np.isnan(ranked), -np.inf, ranked).max(axis=1)
    best = np.where(np.isnan(reference), -np.inf, reference).max(axis=1)
    away = np.clip((nearest - scale.convincing) / scale.convincing_spread, -60.0, 60.0)
    credit = np.maximum(best, 0.0) / (1.0 + np.exp(away))
    return np.where(np.isfinite(best), credit, np.nan)


def _standardised(scores: Scores, least: float) -> tuple[Scores, npt.NDArray[np.float64]]:
    """Zero mean and unit deviation over the products that have a score; all 0 where they do not differ.

    A deviation below `least` is taken for that.
    """
    there = ~np.isnan(scores)
    count = np.maximum(there.sum(axis=1), 1)
    mean = np.where(there, scores, 0.0).sum(axis=1) / count
    away = np.where(there, scores - mean[:, None], 0.0)
    spread = np.maximum(np.sqrt((away**2).sum(axis=1) / count), least)
    spread = np.where(spread < _NO_SPREAD, 0.0, spread)
    scaled = away / np.where(spread > 0, spread, 1.0)[:, None]
    return np.where(there, scaled, np.nan), spread
