"""Fuse text and reference scores into one score per product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.retrieve.scores import ProductScores, Scores

TEXT_WEIGHT = 0.3
REFERENCE_WEIGHT = 0.7
"""References are the stronger key; a product that has only one kind is judged by that kind alone."""
_NO_SPREAD = 1e-9


@dataclass(frozen=True, slots=True)
class Fused:
    """Scores of pictures against products, shape (n, P) each."""

    total: Scores
    """Higher is better, comparable within one picture; -inf for a product with nothing to compare with."""
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
        """The best product of each picture, shape (n,); the earlier one of two equal ones."""
        best: npt.NDArray[np.int64] = self.total.argmax(axis=1)
        return best


def fuse(scores: ProductScores) -> Fused:
    """Standardise each kind over the products, then add both with fixed weights.

    The two cones of a CLIP space are never ranked in one list: each kind is centred on its own mean over the
    catalogue and divided by its own spread first.
    """
    text, text_spread = _standardised(scores.text_centred)
    reference, reference_spread = _standardised(scores.ranked)
    both = ~np.isnan(text) & ~np.isnan(reference)
    text_part = np.nan_to_num(text) * np.where(both, TEXT_WEIGHT, 1.0)
    reference_part = np.nan_to_num(reference) * np.where(both, REFERENCE_WEIGHT, 1.0)
    nothing = np.isnan(text) & np.isnan(reference)
    total = np.where(nothing, -np.inf, text_part + reference_part)
    return Fused(total, text_part, reference_part, text, reference_spread, text_spread)


def _standardised(scores: Scores) -> tuple[Scores, npt.NDArray[np.float64]]:
    """Zero mean and unit deviation over the products that have a score; all 0 where they do not differ."""
    there = ~np.isnan(scores)
    count = np.maximum(there.sum(axis=1), 1)
    mean = np.where(there, scores, 0.0).sum(axis=1) / count
    away = np.where(there, scores - mean[:, None], 0.0)
    spread = np.sqrt((away**2).sum(axis=1) / count)
    spread = np.where(spread < _NO_SPREAD, 0.0, spread)
    scaled = away / np.where(spread > 0, spread, 1.0)[:, None]
    return np.where(there, scaled, np.nan), spread
