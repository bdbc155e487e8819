"""Find the normal images of a catalogue's products in a folder."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.errors import InputError
from mmad_rag.knowledge.images import IMAGE_SUFFIXES
from mmad_rag.records import NORMAL_ENTRY

_TRAIN_FOLDER = "train"
_NORMAL_FOLDERS = {"good", "normal", "ok"}


@dataclass(frozen=True, slots=True)
class FoundReference:
    """An image of a piece whose state is known."""

    product: str
    path: Path
    entry: str = NORMAL_ENTRY
    """`normal`, or the id of the defect that it shows."""


@dataclass(frozen=True, slots=True)
class FoundReferences:
    """What a folder holds."""

    references: tuple[FoundReference, ...]
    """Sorted by product, then path."""
    skipped: int
    """Images left out: of a defect, of no product of the catalogue, not for training, or too many."""


def find_references(
    folder: Path, products: Collection[str], *, per_product: int | None = None
) -> FoundReferences:
    """Look for normal images below `folder`: `<product>/x.png`, or anything of MMAD's layout.

    An image belongs to the last component of its path that is a product's name. It is normal when it lies
    directly in the product's folder, or when a folder between is called good, normal or ok. Where a product
    has normal images in a folder called train, only those are taken: the others are test images.

    Args:
        folder: Searched recursively; links are not followed out of it.
        products: The catalogue.
        per_product: Keep at most this many per product (the first by path); None keeps all.

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
    """Every image below a folder, sorted by path; links are not followed out of it.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of reference images at {folder}; check the path")
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.resolve().is_relative_to(root):
            yield path


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies, seen from its product."""

    product: str
    below: tuple[str, ...]
    """The folders between the product's folder and the image."""


def place_of(path: Path, products: Collection[str]) -> Place | None:
    """An image belongs to the last component of its path that is a product's name; None without one."""
    folders = path.parts[:-1]
    places = [place for place, name in enumerate(folders) if name in products]
    return Place(folders[places[-1]], folders[places[-1] + 1 :]) if places else None


def _for_training(paths: list[Path], folder: Path) -> list[Path]:
    """Those below a folder called train, or all where there is none."""
    return [path for path in paths if _TRAIN_FOLDER in path.relative_to(folder).parts] or paths


def _product_of(path: Path, products: Collection[str]) -> str | None:
    """The product that a normal image shows; None for a defect image or an unknown product."""
    place = place_of(path, products)
    if place is None or (place.below and not _NORMAL_FOLDERS.intersection(place.below)):
        return None
    return place.product
