"""The cases that a calibration learns from: images, each against a part of an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.index.data import IndexData
from mmad_rag.records import FloatArray


@dataclass(frozen=True, slots=True)
class LabelledVector:
    """An image whose product somebody knows."""

    vector: FloatArray
    """In the index's space, shape (d,), unit length."""
    digest: str
    """SHA-256 (hex) of the image's bytes: references with these bytes are not evidence."""
    product: str | None
    """None for something outside the catalogue."""


@dataclass(frozen=True, slots=True)
class Case:
    """An image to learn from, with the rows that play no part."""

    vector: FloatArray
    """In the index's space, shape (d,), unit length."""
    hidden_references: npt.NDArray[np.bool_]
    """Which rows of references play no part, shape (references,)."""
    hidden_keys: npt.NDArray[np.bool_]
    """Which rows of keys play no part, shape (keys,)."""
    product: str | None
    """None when the right answer is that it is unknown."""


class Columns:
    """The references and keys of an index as columns that can be compared at once."""

    def __init__(self, index: IndexData) -> None:
        self.vectors = index.reference_vectors
        self.products = np.array([item.product for item in index.references], object)
        self.digests = np.array([item.digest for item in index.references], object)
        self.views = np.array([item.view for item in index.references], object)
        self.keyed = np.array([key.product for key in index.keys], object)

    def left_out(self, row: int) -> Iterator[Case]:
        """One reference as a picture to inspect: without its product, and without itself."""
        product = str(self.products[row])
        yield self.without(self.vectors[row], product)
        hidden = self.digests == self.digests[row]
        siblings = self.products == product
        if not (siblings & ~hidden).any():
            hidden = hidden & (self.views == self.views[row])
        if (siblings & ~hidden).any():
            yield Case(self.vectors[row], hidden, np.zeros(len(self.keyed), bool), product)

    def labelled(self, image: LabelledVector, known: bool) -> Iterator[Case]:
        """A labelled image as it is and, where its product is in the catalogue, without that product."""
        own = self.digests == image.digest
        yield Case(image.vector, own, np.zeros(len(self.keyed), bool), image.product if known else None)
        if known and image.product is not None:
            yield self.without(image.vector, image.product)

    def without(self, vector: FloatArray, product: str) -> Case:
        """An image against the catalogue without its product."""
        return Case(vector, self.products == product, self.keyed == product, None)
