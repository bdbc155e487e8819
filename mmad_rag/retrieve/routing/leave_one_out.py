"""The cases that a calibration learns from: images, each compared with a part of an index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.index.data import IndexData
from mmad_rag.records import FloatArray


@dataclass(frozen=True, slots=True)
class LabelledVector:
    """An image whose product is known."""

    vector: FloatArray
    """The image's vector in the index's space, shape (d,), unit length."""
    digest: str
    """SHA-256 (hex) of the image's bytes: references with these bytes are not evidence."""
    product: str | None
    """The product that the image shows; None for something outside the catalogue."""


@dataclass(frozen=True, slots=True)
class Case:
    """An image to learn from, with the rows of the index that are hidden from it."""

    vector: FloatArray
    """The image's vector in the index's space, shape (d,), unit length."""
    hidden_references: npt.NDArray[np.bool_]
    """Which rows of references are hidden, shape (references,)."""
    hidden_keys: npt.NDArray[np.bool_]
    """Which rows of keys are hidden, shape (keys,)."""
    product: str | None
    """The right product; None when the right answer is "not in the catalogue"."""


class Columns:
    """The references and keys of an index as arrays, to build cases from."""

    def __init__(self, index: IndexData) -> None:
        self.vectors = index.reference_vectors
        self.products = np.array([item.product for item in index.references], object)
        self.digests = np.array([item.digest for item in index.references], object)
        self.views = np.array([item.view for item in index.references], object)
        self.keyed = np.array([key.product for key in index.keys], object)

    def left_out(self, row: int) -> Iterator[Case]:
        """The cases of one reference as the query image: without its product, and without itself."""
        product = str(self.products[row])
        yield self.without(self.vectors[row], product)
        hidden = self.digests == self.digests[row]
        siblings = self.products == product
        if not (siblings & ~hidden).any():
            hidden = hidden & (self.views == self.views[row])
        if (siblings & ~hidden).any():
            yield Case(self.vectors[row], hidden, np.zeros(len(self.keyed), bool), product)

    def labelled(self, image: LabelledVector, known: bool) -> Iterator[Case]:
        """The cases of a labelled image: against all rows and, if its product is known, without that."""
        own = self.digests == image.digest
        yield Case(image.vector, own, np.zeros(len(self.keyed), bool), image.product if known else None)
        if known and image.product is not None:
            yield self.without(image.vector, image.product)

    def without(self, vector: FloatArray, product: str) -> Case:
        """The case of an image against the catalogue without its product."""
        return Case(vector, self.products == product, self.keyed == product, None)
