"""Find the normal images of a catalogue's products in a folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.errors import InputError
from mmad_rag.folders import files_below, find_name, same_name
from mmad_rag.knowledge.images import IMAGE_SUFFIXES
from mmad_rag.records import NORMAL_ENTRY

_TRAIN_FOLDER = "train"
_NORMAL_FOLDERS = {"good", "normal", "ok"}


@dataclass(frozen=True, slots=True)
class FoundReference:
    """A reference image found in a folder, with its product and state."""

    product: str
    path: Path
    entry: str = NORMAL_ENTRY
    """`normal`, or the id of the defect that the image shows."""


@dataclass(frozen=True, slots=True)
class FoundReferences:
    """The normal images found in a folder."""

    references: tuple[FoundReference, ...]
    """The images found, sorted by product, then path."""
    skipped: int
    """Number of images left out: of a defect, of an unknown product, not for training, or too many."""


def find_references(
    folder: Path, products: Collection[str], *, per_product: int | None = None
) -> FoundReferences:
    """Find normal images below `folder`: `<product>/x.png`, or files in MMAD's layout.

    An image belongs to the last component of its path that is a product's name, however it is capitalized.
    It is normal if it lies
    directly in the product's folder, or if a folder between is called good, normal or ok. If a product has
    normal images in a folder called train, only those are taken: the others are test images.

    Args:
        folder: The folder to search recursively, as `files_below` does: links are followed.
        products: The names of the catalogue's products.
        per_product: Keep at most this many images per product (the first by path); None keeps all.

    Raises:
        InputError: the folder does not exist or holds no normal image of any product.
    """
    found: dict[str, list[Path]] = {}
    skipped = 0
    for path in images_below(folder):
        product = _product_of(path.relative_to(folder), products)
        if product is None:
            skipped += 1
        else:
            found.setdefault(product, []).append(path)
    if not found:
        raise InputError(
            f"no normal image of a known product lies below {folder}; expected <product>/*.png or "
            f"MMAD's layout with a folder called good, for products such as {', '.join(sorted(products)[:3])}"
        )
    kept = tuple(
        FoundReference(product, path)
        for product in sorted(found)
        for path in _for_training(found[product], folder)[:per_product]
    )
    return FoundReferences(kept, skipped + sum(map(len, found.values())) - len(kept))


def images_below(folder: Path) -> Iterator[Path]:
    """Every image below a folder, sorted by path, as `files_below` walks it.

    Raises:
        InputError: the folder does not exist, or a folder below it cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of reference images at {folder}; check the path")
    yield from files_below(folder, IMAGE_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Place:
    """An image's path relative to its product's folder."""

    product: str
    below: tuple[str, ...]
    """The folders between the product's folder and the image, in lower case."""


def place_of(path: Path, products: Collection[str]) -> Place | None:
    """The place of an image, whose product is the last component of its path that names one, however it is
    capitalized; None if none does."""
    folders = path.parts[:-1]
    for place in reversed(range(len(folders))):
        product = find_name(folders[place], products)
        if product is not None:
            return Place(product, tuple(map(same_name, folders[place + 1 :])))
    return None


def _for_training(paths: list[Path], folder: Path) -> list[Path]:
    """The paths below a folder called train, or all paths if there is none."""
    train = [path for path in paths if _TRAIN_FOLDER in map(same_name, path.relative_to(folder).parts)]
    return train or paths


def _product_of(path: Path, products: Collection[str]) -> str | None:
    """The product that a normal image shows; None for a defect image or an unknown product."""
    place = place_of(path, products)
    if place is None or (place.below and not _NORMAL_FOLDERS.intersection(place.below)):
        return None
    return place.product
