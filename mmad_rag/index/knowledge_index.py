"""The index itself: passages, keys and references of a catalogue with their vectors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmad_rag.index.manifest import Manifest
from mmad_rag.index.search import VectorSearch
from mmad_rag.records import FloatArray, Passage

if TYPE_CHECKING:
    from mmad_rag.encoders.protocol import Encoder
    from mmad_rag.index.embed import Progress
    from mmad_rag.knowledge import KnowledgeBase


@dataclass(frozen=True, slots=True)
class Key:
    """A short text that a picture of a product is found by."""

    product: str
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture of a normal piece, known by its bytes."""

    product: str
    name: str
    """File name, for messages."""
    digest: str
    """SHA-256 (hex) of the file's bytes."""


@dataclass(frozen=True)
class KnowledgeIndex:
    """Everything that retrieval needs; rows of the arrays belong to the records of the same position."""

    manifest: Manifest
    passages: tuple[Passage, ...]
    """Sorted by product; within a product in the file's order, normal state first."""
    keys: tuple[Key, ...]
    """Empty when the encoder has no text tower."""
    references: tuple[Reference, ...]
    passage_vectors: FloatArray | None
    """Shape (passages, text dim); None when passages are found by their words."""
    key_vectors: FloatArray
    """Shape (keys, dim)."""
    reference_vectors: FloatArray
    """Shape (references, dim)."""

    @classmethod
    def build(
        cls,
        knowledge: KnowledgeBase | Path | str,
        encoder: Encoder | str,
        *,
        text_encoder: Encoder | str | None = None,
        references: Path | None = None,
        references_per_product: int | None = None,
        progress: Progress | None = None,
    ) -> KnowledgeIndex:
        """Embed a knowledge base; see `mmad_rag.index.build.build_index`, which says it all.

        Example:
            >>> KnowledgeIndex.build("knowledge", "builtin:tiny").save("indexes/default")  # doctest: +SKIP
        """
        from mmad_rag.index.build import build_index

        return build_index(
            knowledge,
            encoder,
            text_encoder=text_encoder,
            references=references,
            references_per_product=references_per_product,
            progress=progress,
        )

    @classmethod
    def load(cls, folder: Path | str) -> KnowledgeIndex:
        """Read an index folder and check it whole.

        Raises:
            IndexMismatchError: absent, damaged, or of another format; the message names what mends it.
        """
        from mmad_rag.index.folder import load_index

        return load_index(Path(folder))

    def save(self, folder: Path | str) -> None:
        """Write the index folder, replacing an older index there in one step.

        Raises:
            IndexMismatchError: the folder exists and is no index.
        """
        from mmad_rag.index.folder import save_index

        save_index(self, Path(folder))

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex): equal fingerprints give equal hits."""
        return self.manifest.fingerprint

    @cached_property
    def products(self) -> tuple[str, ...]:
        """The catalogue, sorted."""
        return tuple(sorted(self.manifest.knowledge))

    @cached_property
    def rows_of_product(self) -> dict[str, tuple[int, ...]]:
        """Product -> rows of its passages, in order."""
        rows: dict[str, list[int]] = {product: [] for product in self.products}
        for row, passage in enumerate(self.passages):
            rows[passage.product].append(row)
        return {product: tuple(found) for product, found in rows.items()}

    @cached_property
    def key_search(self) -> VectorSearch:
        """Search over `key_vectors`."""
        return VectorSearch(self.key_vectors, self.manifest.approximate_above)

    @cached_property
    def reference_search(self) -> VectorSearch:
        """Search over `reference_vectors`."""
        return VectorSearch(self.reference_vectors, self.manifest.approximate_above)

    @cached_property
    def passage_search(self) -> VectorSearch | None:
        """Search over `passage_vectors`; None when passages have none."""
        if self.passage_vectors is None:
            return None
        return VectorSearch(self.passage_vectors, self.manifest.approximate_above)

    def arrays(self) -> dict[str, FloatArray]:
        """The arrays by the name of their file, without its suffix."""
        arrays = {"keys": self.key_vectors, "references": self.reference_vectors}
        if self.passage_vectors is not None:
            arrays["passages"] = self.passage_vectors
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
