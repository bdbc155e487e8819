"""Find images of known defects in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.errors import InputError
from mmad_rag.folders import same_name
from mmad_rag.index.build.references import FoundReference, Place, images_below, place_of
from mmad_rag.knowledge.schema import Product

_MASK_FOLDERS = {"ground_truth", "mask", "masks", "rbg_mask"}
"""Folders in which benchmarks keep masks of defects, which are not photographs of them."""


@dataclass(frozen=True, slots=True)
class FoundDefects:
    """The images of defects found in a folder."""

    references: tuple[FoundReference, ...]
    """The images found, sorted by path."""
    ambiguous: int
    """Number of images left out because their folder stands for several defects, such as VisA's `bad`."""
    skipped: int
    """Number of images left out for another reason: normal, a mask, an unknown defect or product."""


def find_defect_references(folder: Path, products: Sequence[Product]) -> FoundDefects:
    """Find images below `<product>/.../<defect>/`, where `<defect>` is a defect's id or one of its `folders`.

    If several folders of a path stand for defects, the innermost one counts.

    Args:
        folder: The folder to search recursively, as `files_below` does: links are followed.
        products: The products of the catalogue.

    Raises:
        InputError: the folder does not exist or holds no image of exactly one defect.
    """
    names = {product.product: _defects_by_folder(product) for product in products}
    found: list[FoundReference] = []
    ambiguous = skipped = 0
    for path in images_below(folder):
        place = place_of(path.relative_to(folder), names)
        defects = _defects(place, names[place.product]) if place else ()
        if place and len(defects) == 1:
            found.append(FoundReference(place.product, path, defects[0]))
        elif defects:
            ambiguous += 1
        else:
            skipped += 1
    if not found:
        raise InputError(
            f"no image of a known defect lies below {folder}; expected <product>/<defect>/*.png, where "
            f"<defect> is the id of a defect or one of its folders ({ambiguous} image(s) lie in a folder "
            f"of several defects, {skipped} elsewhere)"
        )
    return FoundDefects(tuple(found), ambiguous, skipped)


def _defects_by_folder(product: Product) -> dict[str, tuple[str, ...]]:
    """Name of a folder -> the ids of the defects that its images may show."""
    names: dict[str, list[str]] = {}
    for defect in product.defects:
        for name in dict.fromkeys((defect.id, *defect.folders)):
            names.setdefault(same_name(name), []).append(defect.id)
    return {name: tuple(defects) for name, defects in names.items()}


def _defects(place: Place, names: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The defects of the innermost folder that stands for any."""
    if _MASK_FOLDERS.intersection(place.below):
        return ()
    return next((names[name] for name in reversed(place.below) if name in names), ())
