"""Tell two products apart that look alike, by what their texts and their references differ in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.fields import FIELDS, Field
from mmad_rag.index.build.embed import embed_texts, unit
from mmad_rag.index.data import IndexData
from mmad_rag.records import NORMAL_ENTRY, FloatArray, Passage
from mmad_rag.retrieve.routing.fuse import REFERENCE_WEIGHT, TEXT_WEIGHT

_CONTRASTED = tuple(field for field, spec in FIELDS.items() if spec.contrasts)
_LEAST_REFERENCES = 2
_AT_MOST = 3.0
"""Deviations: no single kind of evidence may outvote everything else."""


@dataclass(frozen=True, slots=True)
class _Contrast:
    """A direction along which two products differ: positive speaks for the first."""

    direction: FloatArray
    """Shape (d,)."""
    middle: float
    """Where it speaks for neither."""
    spread: float
    """What counts as one deviation, above 0."""

    def lead(self, vector: FloatArray) -> float:
        """In deviations, cut off on both sides."""
        return float(np.clip((vector @ self.direction - self.middle) / self.spread, -_AT_MOST, _AT_MOST))


class SecondLook:
    """Compares an image with two products, and with nothing else.

    *Sentences.* What the "tell apart" fields of the two say of each other; where they say nothing, what their
    texts say of the normal state, of which the contrast removes what both have in common. The image is
    moved along the difference of both means; it speaks for neither where the mean reference image lies, and
    one deviation is that of all products' keys along the direction. *References.* The difference of the mean
    images of both, with the spread of their own images around their means.

    Args:
        index: Holds passages, keys and references.
        encoder: Of the index; without a text tower only references are compared.
    """

    def __init__(self, index: IndexData, encoder: Encoder) -> None:
        self._index = index
        self._encoder = encoder
        self._lock = threading.Lock()
        self._contrasts: dict[tuple[str, str], tuple[tuple[float, _Contrast], ...]] = {}

    def lead(self, vector: FloatArray, first: str, second: str) -> float | None:
        """How far the first lies above the second, in deviations; None when nothing tells them apart."""
        with self._lock:
            if (first, second) not in self._contrasts:
                self._contrasts[first, second] = tuple(self._found(first, second))
            contrasts = self._contrasts[first, second]
        if not contrasts:
            return None
        return sum(weight * contrast.lead(vector) for weight, contrast in contrasts)

    def _found(self, first: str, second: str) -> Sequence[tuple[float, _Contrast]]:
        weighed = (
            (TEXT_WEIGHT, self._by_sentences(first, second)),
            (REFERENCE_WEIGHT, self._by_references(first, second)),
        )
        return [(weight, contrast) for weight, contrast in weighed if contrast is not None]

    def _by_sentences(self, first: str, second: str) -> _Contrast | None:
        if self._encoder.texts is None:
            return None
        mine, theirs = self._sentences(first, second), self._sentences(second, first)
        if not mine or not theirs:
            return None
        vectors = embed_texts([*mine, *theirs], self._encoder)
        difference = vectors[: len(mine)].mean(axis=0) - vectors[len(mine) :].mean(axis=0)
        direction = _unit(difference)
        if direction is None:
            return None
        index = self._index
        ground = index.reference_vectors if len(index.references) else index.key_vectors
        spread = float((index.key_vectors @ direction).std()) if len(index.keys) else 0.0
        return _Contrast(direction, float((ground @ direction).mean()), max(spread, 1e-3))

    def _sentences(self, product: str, other: str) -> list[str]:
        """What tells a product from the other, else what is said of its normal state."""
        mine = [self._index.passages[row] for row in self._index.rows_of_product[product]]
        marked = f"unlike {other.replace('_', ' ')}: "
        told = [
            passage.text[len(marked) :]
            for passage in mine
            if passage.field is Field.TELL_APART and passage.text.lower().startswith(marked)
        ]
        return told or [passage.text for passage in mine if _describes_normal(passage)]

    def _by_references(self, first: str, second: str) -> _Contrast | None:
        mine, theirs = self._images(first), self._images(second)
        if min(len(mine), len(theirs)) < _LEAST_REFERENCES:
            return None
        direction = _unit(mine.mean(axis=0) - theirs.mean(axis=0))
        if direction is None:
            return None
        along = mine @ direction, theirs @ direction
        middle = float(along[0].mean() + along[1].mean()) / 2
        spread = float(np.sqrt((along[0].var() + along[1].var()) / 2))
        return _Contrast(direction, middle, max(spread, 1e-3))

    def _images(self, product: str) -> FloatArray:
        rows = [
            row
            for row, item in enumerate(self._index.references)
            if item.product == product and item.entry == NORMAL_ENTRY
        ]
        vectors: FloatArray = self._index.reference_vectors[rows]
        return vectors


def _describes_normal(passage: Passage) -> bool:
    return passage.entry == NORMAL_ENTRY and passage.field in _CONTRASTED


def _unit(difference: FloatArray) -> FloatArray | None:
    """Scaled to unit length; None where there is no difference."""
    if float(np.linalg.norm(difference)) < 1e-6:
        return None
    scaled: FloatArray = unit(difference[None])[0]
    return scaled
