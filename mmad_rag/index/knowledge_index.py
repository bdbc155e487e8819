"""The index itself: passages, keys and references of a catalogue with their vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmad_rag.encoders.default_text import AUTO
from mmad_rag.index.build.views import DEFAULT_VIEWS
from mmad_rag.index.manifest import Manifest
from mmad_rag.index.rows import Key, Reference
from mmad_rag.index.search import Search, VectorSearch
from mmad_rag.records import NORMAL_ENTRY, FloatArray, Passage

if TYPE_CHECKING:
    from mmad_rag.encoders.protocol import Encoder
    from mmad_rag.index.build.embed import Progress
    from mmad_rag.knowledge import KnowledgeBase


@dataclass(frozen=True)
class KnowledgeIndex:
    """Everything that retrieval needs; rows of the arrays belong to the records of the same position."""

    manifest: Manifest
    passages: tuple[Passage, ...]
    """Sorted by product; within a product in the file's order, normal state first."""
    keys: tuple[Key, ...]
    """Sorted by product; empty when the encoder has no text tower."""
    references: tuple[Reference, ...]
    """Sorted by product, entry, name, digest and view; one per view of an image."""
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
        text_encoder: Encoder | str = AUTO,
        references: Path | None = None,
        references_per_product: int | None = None,
        defect_references: Path | None = None,
        views: Sequence[str] = DEFAULT_VIEWS,
        reuse: KnowledgeIndex | None = None,
        progress: Progress | None = None,
    ) -> KnowledgeIndex:
        """Embed a knowledge base; see `mmad_rag.index.build.from_knowledge.build_index`, which says it all.

        Example:
            >>> KnowledgeIndex.build("knowledge", "builtin:tiny").save("indexes/default")  # doctest: +SKIP
        """
        from mmad_rag.index.build.from_knowledge import build_index

        return build_index(
            knowledge,
            encoder,
            text_encoder=text_encoder,
            references=references,
            references_per_product=references_per_product,
            defect_references=defect_references,
            views=views,
            reuse=reuse,
            progress=progress,
        )

    @classmethod
    def load(cls, folder: Path | str) -> KnowledgeIndex:
        """Read an index folder and check it whole.

        Raises:
            IndexMismatchError: absent, damaged, or of another format; the message names what mends it.
        """
        from mmad_rag.index.folder.read import load_index

        return load_index(Path(folder))

    def save(self, folder: Path | str) -> None:
        """Write the index folder, replacing an older index there in one step, also for those who read it.

        Raises:
            IndexMismatchError: the folder exists and is not an index, is being written by another process, or
                cannot be written.
        """
        from mmad_rag.index.folder.write import save_index

        save_index(self, Path(folder))

    def add(
        self,
        knowledge: KnowledgeBase | Path | str,
        encoder: Encoder | str,
        *,
        text_encoder: Encoder | str | None = None,
        references: Path | None = None,
        references_per_product: int | None = None,
        defect_references: Path | None = None,
        progress: Progress | None = None,
    ) -> KnowledgeIndex:
        """An index with the products of a knowledge base added, or replaced where they are there already.

        Only what is new is embedded. References that the index has of a replaced product stay, and those of
        the product's file and of the folders join them.

        Args:
            knowledge: A loaded base, or the folder of product files.
            encoder: The one that built the index; a spec or a loaded encoder.
            text_encoder: Likewise for passages; by default as the manifest says.
            references: As for `build`.
            references_per_product: As for `build`.
            defect_references: As for `build`.
            progress: Called with (stage, done, total).

        Raises:
            IndexMismatchError: another encoder built the index.
            KnowledgeError, EncoderError, InputError, ImageError: as for `build`.
        """
        from mmad_rag.index.build.add import add_knowledge

        return add_knowledge(
            self,
            knowledge,
            encoder,
            text_encoder=text_encoder,
            references=references,
            references_per_product=references_per_product,
            defect_references=defect_references,
            progress=progress,
        )

    def add_references(
        self,
        product: str,
        paths: Sequence[Path],
        encoder: Encoder | str,
        *,
        entry: str = NORMAL_ENTRY,
        progress: Progress | None = None,
    ) -> KnowledgeIndex:
        """An index with images of a product added, of its normal state or of the defect `entry`.

        Raises:
            IndexMismatchError: another encoder built the index.
            InputError: the product or the entry is unknown.
            ImageError: an image cannot be read.
        """
        from mmad_rag.index.build.add import add_references

        return add_references(self, product, paths, encoder, entry=entry, progress=progress)

    def remove(self, *products: str) -> KnowledgeIndex:
        """An index without these products and all that belongs to them.

        Raises:
            InputError: a product is unknown.
            KnowledgeError: nothing would be left to route to.
        """
        from mmad_rag.index.build.change import remove_products

        return remove_products(self, products)

    def remove_references(self, product: str, digests: Collection[str] | None = None) -> KnowledgeIndex:
        """An index without the reference images of a product that have these SHA-256 (hex); None means all.

        Raises:
            InputError: the product or a digest is unknown.
            KnowledgeError: nothing would be left to route to.
        """
        from mmad_rag.index.build.change import remove_references

        return remove_references(self, product, digests)

    def rename(self, old: str, new: str) -> KnowledgeIndex:
        """An index in which a product has another name, as if its file had been renamed.

        Texts stay as they are, also where another product's text says the old name.

        Raises:
            InputError: `old` is unknown, or `new` is taken or no name of a product.
        """
        from mmad_rag.index.build.change import rename_product

        return rename_product(self, old, new)

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

    def arrays(self) -> dict[str, FloatArray]:
        """The arrays by the name of their file, without its suffix."""
        arrays = {"keys": self.key_vectors, "references": self.reference_vectors}
        if self.passage_vectors is not None:
            arrays["passages"] = self.passage_vectors
        return {name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}
