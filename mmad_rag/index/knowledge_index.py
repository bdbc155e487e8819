"""The index as users handle it: build, load, save and change it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.encoders.default_text import AUTO
from mmad_rag.index.data import IndexData
from mmad_rag.index.views import DEFAULT_VIEWS
from mmad_rag.records import NORMAL_ENTRY

if TYPE_CHECKING:
    from mmad_rag.encoders.protocol import Encoder
    from mmad_rag.index.build.embed import Progress
    from mmad_rag.knowledge import KnowledgeBase


@dataclass(frozen=True)
class KnowledgeIndex(IndexData):
    """An index with methods that build, load and save it, or return a changed copy."""

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
        reuse: IndexData | None = None,
        progress: Progress | None = None,
    ) -> KnowledgeIndex:
        """Embed a knowledge base; see `mmad_rag.index.build.from_knowledge.build_index` for the arguments.

        Example:
            >>> KnowledgeIndex.build("knowledge", "builtin:tiny").save("indexes/default")  # doctest: +SKIP
        """
        from mmad_rag.index.build.from_knowledge import build_index

        return _with_methods(
            build_index(
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
        )

    @classmethod
    def load(cls, folder: Path | str) -> KnowledgeIndex:
        """Read an index folder and check it completely.

        Raises:
            IndexMismatchError: the index is absent, damaged, or of another format; the message names the
                command that repairs it.
        """
        from mmad_rag.index.folder.read import load_index

        return _with_methods(load_index(Path(folder)))

    def save(self, folder: Path | str) -> None:
        """Write the index folder, replacing an older index there in one step, also for concurrent readers.

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
        """An index with the products of a knowledge base added, replacing those that it has already.

        Only new contents are embedded. The references that the index has of a replaced product stay, and
        those of the product's file and of the folders are added.

        Args:
            knowledge: A loaded base, or the folder of product files.
            encoder: The encoder that built the index; a spec or a loaded encoder.
            text_encoder: The encoder of passages; None loads it by the spec in the manifest.
            references: A folder of normal images, as for `build`.
            references_per_product: Keep at most this many images of that folder per product; None keeps all.
            defect_references: A folder of images of known defects, as for `build`.
            progress: Called with (stage, steps done, total steps).

        Raises:
            IndexMismatchError: another encoder built the index.
            KnowledgeError, EncoderError, InputError, ImageError: the same errors as of `build`.
        """
        from mmad_rag.index.build.add import add_knowledge

        return _with_methods(
            add_knowledge(
                self,
                knowledge,
                encoder,
                text_encoder=text_encoder,
                references=references,
                references_per_product=references_per_product,
                defect_references=defect_references,
                progress=progress,
            )
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

        return _with_methods(add_references(self, product, paths, encoder, entry=entry, progress=progress))

    def remove(self, *products: str) -> KnowledgeIndex:
        """An index without these products and all that belongs to them.

        Raises:
            InputError: a product is unknown.
            KnowledgeError: nothing would be left to route to.
        """
        from mmad_rag.index.build.change import remove_products

        return _with_methods(remove_products(self, products))

    def remove_references(self, product: str, digests: Collection[str] | None = None) -> KnowledgeIndex:
        """An index without the reference images of a product that have these SHA-256 (hex); None means all.

        Raises:
            InputError: the product or a digest is unknown.
            KnowledgeError: nothing would be left to route to.
        """
        from mmad_rag.index.build.change import remove_references

        return _with_methods(remove_references(self, product, digests))

    def rename(self, old: str, new: str) -> KnowledgeIndex:
        """An index in which a product has another name, as if its file had been renamed.

        Texts stay as they are, also where another product's text says the old name.

        Raises:
            InputError: `old` is unknown, or `new` is taken or is not a valid product name.
        """
        from mmad_rag.index.build.change import rename_product

        return _with_methods(rename_product(self, old, new))


def _with_methods(data: IndexData) -> KnowledgeIndex:
    """A `KnowledgeIndex` of the same parts, without the further fields of a subclass of `IndexData`."""
    return KnowledgeIndex(**data.parts())
