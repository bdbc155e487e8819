"""Find images of known defects in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.errors import InputError
from mmad_rag.index.build.references import FoundReference, Place, images_below, place_of
from mmad_rag.knowledge.schema import Product

_MASK_FOLDERS = {"ground_truth", "mask", "masks", "rbg_mask"}
"""Where the benchmarks keep drawings of defects, which are not images of them."""


@dataclass(frozen=True, slots=True)
class FoundDefects:
    """What a folder holds."""

    references: tuple[FoundReference, ...]
    """Sorted by path."""
    ambiguous: int
    """Images left out because their folder stands for several defects, such as VisA's `bad`."""
    skipped: int
    """Images left out for another reason: normal, a mask, of no known defect or of no known product."""


def find_defect_references(folder: Path, products: Sequence[Product]) -> FoundDefects:
    """Look for images below `<product>/.../<defect>/`: the id of a defect, or one of its `folders`.

    Where several folders mean something, the innermost one counts.

    Args:
        folder: Searched recursively; links are not followed out of it.
        products: The catalogue.

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
            names.setdefault(name, []).append(defect.id)
    return {name: tuple(defects) for name, defects in names.items()}


def _defects(place: Place, names: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The defects that the innermost folder with a meaning stands for."""
    if _MASK_FOLDERS.intersection(place.below):
        return ()
    return next((names[name] for name in reversed(place.below) if name in names), ())
