"""The data of an index: passages, keys and references of a catalogue with their vectors."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from mmad_rag.index.manifest import Manifest
from mmad_rag.index.rows import Key, Reference
from mmad_rag.index.search import Search, VectorSearch
from mmad_rag.records import FloatArray, Passage


@dataclass(frozen=True)
class IndexData:
    """Everything that retrieval needs; a row of an array belongs to the record at the same position.

    Functions take and return this; `KnowledgeIndex` adds methods that build, load and change it.
    """

    manifest: Manifest
    passages: tuple[Passage, ...]
    """Passages sorted by product; within a product they are in the file's order, normal state first."""
    keys: tuple[Key, ...]
    """Keys sorted by product; empty when the encoder has no text tower."""
    references: tuple[Reference, ...]
    """References sorted by product, entry, name, digest and view; one per view of an image."""
    passage_vectors: FloatArray | None
    """Vectors of passages, shape (passages, text dim); None when passages are found by their words."""
    key_vectors: FloatArray
    """Vectors of keys, shape (keys, dim)."""
    reference_vectors: FloatArray
    """Vectors of references, shape (references, dim)."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over all that can change a search: equal fingerprints give equal hits."""
        return self.manifest.fingerprint

    @cached_property
    def products(self) -> tuple[str, ...]:
        """The names of the catalogue's products, sorted."""
        return tuple(sorted(self.manifest.knowledge))

    @cached_property
    def rows_of_product(self) -> dict[str, tuple[int, ...]]:
        """Product -> rows of its passages, ascending."""
        rows: dict[str, list[int]] = {product: [] for product in self.products}
        for row, passage in enumerate(self.passages):
            rows[passage.product].append(row)
        return {product: tuple(found) for product, found in rows.items()}

    @cached_property
    def key_search(self) -> Search:
        """Search over `key_vectors`."""
        return VectorSearch(self.key_vectors, self.manifest.approximate_above)

    @cached_property
    def reference_search(self) -> Search:
        """Search over `reference_vectors`."""
        return VectorSearch(self.reference_vectors, self.manifest.approximate_above)

    @cached_property
    def passage_search(self) -> Search | None:
        """Search over `passage_vectors`; None when passages have none."""
        if self.passage_vectors is None:
            return None
        return VectorSearch(self.passage_vectors, self.manifest.approximate_above)

    def parts(self) -> dict[str, Any]:
        """Name of a field of `IndexData` -> its value, without what a subclass adds: to make another one."""
        return {field.name: getattr(self, field.name) for field in fields(IndexData)}

    def arrays(self) -> dict[str, FloatArray]:
        """Name of an array's file without its suffix -> the array."""
        return named_arrays(self.passage_vectors, self.key_vectors, self.reference_vectors)


def named_arrays(
    passage_vectors: FloatArray | None, key_vectors: FloatArray, reference_vectors: FloatArray
) -> dict[str, FloatArray]:
    """The arrays of an index under the names of their files, as `IndexData.arrays` gives them."""
    arrays = {"keys": key_vectors, "references": reference_vectors}
    if passage_vectors is not None:
        arrays["passages"] = passage_vectors
    return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
