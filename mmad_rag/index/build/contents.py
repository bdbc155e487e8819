"""Read what an index is to hold: records in their canonical order, and where the images lie."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from mmad_rag.errors import ImageError
from mmad_rag.index.build.defect_references import find_defect_references
from mmad_rag.index.build.references import FoundReference, find_references
from mmad_rag.index.rows import Key, KeyKind, Reference, reference_order
from mmad_rag.knowledge import KnowledgeBase, passages_of, visual_keys
from mmad_rag.knowledge.schema import Product
from mmad_rag.records import NORMAL_ENTRY, Passage

_Row = TypeVar("_Row", Passage, Key)


@dataclass(frozen=True, slots=True)
class Contents:
    """What an index is to hold. Two ways to the same contents give the same rows in the same order."""

    knowledge: Mapping[str, str]
    """Product -> SHA-256 (hex) of its file."""
    passages: tuple[Passage, ...]
    """Sorted by product; within a product in the file's order."""
    keys: tuple[Key, ...]
    """Sorted by product; within a product names, aliases, descriptions in the file's order."""
    references: tuple[Reference, ...]
    """As `sorted_references` leaves them."""
    paths: Mapping[str, Path]
    """SHA-256 (hex) of an image's bytes -> a file that holds them; images of an older index have none."""


def read_contents(
    base: KnowledgeBase,
    *,
    with_keys: bool,
    views: Sequence[str],
    references: Path | None = None,
    references_per_product: int | None = None,
    defect_references: Path | None = None,
) -> Contents:
    """What product files and folders of images hold.

    Raises:
        InputError: a folder of images is absent or holds none of a product.
        ImageError: an image cannot be read.
    """
    found = [
        FoundReference(file.product.product, path) for file in base.files for path in file.reference_paths()
    ]
    if references is not None:
        products = {product.product for product in base.products}
        found += find_references(references, products, per_product=references_per_product).references
    if defect_references is not None:
        found += find_defect_references(defect_references, base.products).references
    images = read_images(found, views)
    return Contents(
        knowledge={file.product.product: file.digest for file in base.files},
        passages=tuple(passage for product in base.products for passage in passages_of(product)),
        keys=tuple(key for product in base.products for key in keys_of(product)) if with_keys else (),
        references=images.references,
        paths=images.paths,
    )


@dataclass(frozen=True, slots=True)
class ReadImages:
    """Reference images whose bytes have been read once."""

    references: tuple[Reference, ...]
    paths: Mapping[str, Path]
    """As in `Contents`."""


def read_images(found: Iterable[FoundReference], views: Sequence[str]) -> ReadImages:
    """One record per image and view.

    Raises:
        ImageError: a file cannot be read.
    """
    records: list[Reference] = []
    paths: dict[str, Path] = {}
    for item in found:
        digest = _digest(item.path)
        paths.setdefault(digest, item.path)
        name = item.path.name.encode("utf-8", "replace").decode()
        records += [Reference(item.product, name, digest, item.entry, view) for view in views]
    return ReadImages(sorted_references(records), paths)


def sorted_references(references: Iterable[Reference]) -> tuple[Reference, ...]:
    """In the order of product, entry, name, digest, view; the same bytes twice for one entry count once.

    Of two names for the same bytes the first in the alphabet stays, so that the order of finding them plays
    no part.
    """
    kept: dict[tuple[str, str, str, str], Reference] = {}
    for reference in references:
        identity = (reference.product, reference.entry, reference.digest, reference.view)
        if identity not in kept or reference.name < kept[identity].name:
            kept[identity] = reference
    return tuple(sorted(kept.values(), key=reference_order))


def merged(old: Contents, new: Contents, entries: Mapping[str, Collection[str]]) -> Contents:
    """`old` with the products of `new` added or replaced.

    References that `old` has of a replaced product stay, unless they show a defect that it no longer has.

    Args:
        old: What there is.
        new: What is added.
        entries: Product of `new` -> the entries that it has now.
    """
    replaced = set(new.knowledge)
    staying = [
        reference
        for reference in old.references
        if reference.product not in replaced or reference.entry in entries[reference.product]
    ]
    return Contents(
        knowledge=dict(sorted({**old.knowledge, **new.knowledge}.items())),
        passages=_joined(old.passages, new.passages, replaced),
        keys=_joined(old.keys, new.keys, replaced),
        references=sorted_references([*staying, *new.references]),
        paths={**old.paths, **new.paths},
    )


def entries_of(base: KnowledgeBase) -> dict[str, frozenset[str]]:
    """Product -> its entries: the normal state and its defects."""
    return {
        product.product: frozenset({NORMAL_ENTRY, *(defect.id for defect in product.defects)})
        for product in base.products
    }


def keys_of(product: Product) -> Iterator[Key]:
    """Every key of a product: names, aliases, descriptions."""
    yield from (Key(product.product, text) for text in visual_keys(product))
    yield from (Key(product.product, text, KeyKind.LINE) for text in product.visual.descriptions)


def _joined(old: tuple[_Row, ...], new: tuple[_Row, ...], replaced: Collection[str]) -> tuple[_Row, ...]:
    """Rows of both, sorted by product; Python's sort keeps the order within a product."""
    staying = tuple(row for row in old if row.product not in replaced)
    return tuple(sorted(staying + new, key=lambda row: row.product))


def _digest(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read piece by piece."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ImageError(
            f"the reference image {path} cannot be read ({error.strerror}); correct or remove it"
        ) from None
