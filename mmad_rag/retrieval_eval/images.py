"""Find the labelled images of a folder that routing can be measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

from mmad_rag.benchmark.data.dataset_names import spellings
from mmad_rag.benchmark.data.mmad import FILE_NAME, Benchmark, load_questions, split_path
from mmad_rag.errors import DataError, InputError
from mmad_rag.folders import files_below, find_name, same_name
from mmad_rag.knowledge.images import IMAGE_SUFFIXES

UNKNOWN_FOLDER = "unknown"
"""The top folder that holds images of products outside the catalogue."""
_TRAIN_FOLDER = "train"
_MASK_FOLDERS = {"ground_truth", "rbg_mask", "rgb_mask", "mask", "masks"}


class Reason(StrEnum):
    """The reason why an image of the folder is not measured on."""

    TEMPLATE = "templates (below a folder called train), which are not queries"
    MASK = "masks"
    NO_FILE = "named in mmad.json, but without a file"
    NO_PRODUCT = "of no product of the index"
    TWICE = "the same bytes as another image"
    UNREADABLE = "cannot be read"
    NO_EVIDENCE = "of a product that the index knows by nothing, or by this very image alone"


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image whose right product is known."""

    path: Path
    name: str
    """Path relative to the folder, with forward slashes."""
    product: str | None
    """The right product; None for an image of a product outside the catalogue."""
    digest: str
    """SHA-256 (hex) of the file's bytes."""


@dataclass(frozen=True, slots=True)
class FoundImages:
    """The images that a folder holds."""

    images: tuple[LabelledImage, ...]
    """The labelled images, sorted by name."""
    left_out: Mapping[Reason, tuple[str, ...]]
    """Reason -> names of the images that are left out for it, sorted; only reasons that occur."""

    def without(self, reason: Reason, names: Collection[str]) -> FoundImages:
        """The same, with some images left out for a reason."""
        if not names:
            return self
        kept = tuple(image for image in self.images if image.name not in names)
        known = self.left_out.get(reason, ())
        return FoundImages(kept, {**self.left_out, reason: tuple(sorted({*known, *names}))})


def find_images(folder: Path, products: Collection[str]) -> FoundImages:
    """Look for labelled images below `folder`: `<product>/**/x.png`, or MMAD's layout with its mmad.json.

    An image named in mmad.json shows the product in its path there. Any other image shows the product whose
    name comes last in its path; capitals make no difference. Images below a top folder called `unknown` show
    products outside the catalogue. Templates and masks are not queries; the same bytes count once.

    Args:
        folder: The folder to search recursively, as `folders.files_below` does: links are followed.
        products: Names of the products in the catalogue.

    Raises:
        InputError: the folder does not exist, or a folder below it cannot be read.
        DataError: it holds no image of a known product, its mmad.json is wrong, or two labels contradict
            each other on the same bytes.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder of labelled images at {folder}; check the path")
    benchmark = load_questions(folder) if (folder / FILE_NAME).is_file() else None
    left_out: dict[Reason, list[str]] = {}
    if benchmark is not None and benchmark.missing_images:
        left_out[Reason.NO_FILE] = list(benchmark.missing_images)
    masks = (
        {path for image in benchmark.images.values() if image.mask for path in spellings(image.mask)}
        if benchmark
        else set()
    )
    first: dict[str, LabelledImage] = {}
    for path, name in _files(folder):
        label = Reason.MASK if name in masks else _label(name, products, benchmark)
        if isinstance(label, Reason):
            left_out.setdefault(label, []).append(name)
            continue
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError:
            left_out.setdefault(Reason.UNREADABLE, []).append(name)
            continue
        image = LabelledImage(path, name, label or None, digest)
        same = first.setdefault(digest, image)
        if same is not image:
            _check_labels(same, image)
            left_out.setdefault(Reason.TWICE, []).append(name)
    if first and not any(image.product for image in first.values()):
        raise DataError(
            f"{folder} holds {len(first)} image(s) of unknown things and none of a product of the index; "
            "put images of products beside them, as <product>/**/*.png"
        )
    if not first:
        raise DataError(
            f"no image to measure on lies below {folder}; expected <product>/**/*.png for products of the "
            f"index such as {', '.join(sorted(products)[:3])}, or MMAD's layout with {FILE_NAME}"
        )
    return FoundImages(
        tuple(first.values()), {reason: tuple(sorted(names)) for reason, names in left_out.items()}
    )


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Image files with their names, sorted."""
    for path in files_below(folder, IMAGE_SUFFIXES):
        yield path, path.relative_to(folder).as_posix()


def _label(name: str, products: Collection[str], benchmark: Benchmark | None) -> str | Reason:
    """The product that an image shows, an empty string outside the catalogue, or why it is not a query."""
    folders = PurePosixPath(name).parts[:-1]
    plain = tuple(map(same_name, folders))
    if _MASK_FOLDERS.intersection(plain):
        return Reason.MASK
    if plain[:1] == (UNKNOWN_FOLDER,):
        return ""
    if benchmark is not None and any(path in benchmark.images for path in spellings(name)):
        return find_name(split_path(name).product, products) or Reason.NO_PRODUCT
    if _TRAIN_FOLDER in plain:
        return Reason.TEMPLATE
    shown = (find_name(part, products) for part in reversed(folders))
    return next((product for product in shown if product), Reason.NO_PRODUCT)


def _check_labels(first: LabelledImage, second: LabelledImage) -> None:
    if first.product != second.product:
        raise DataError(
            f"{first.path} and {second.path} hold the same bytes, but one is labelled "
            f"{first.product or UNKNOWN_FOLDER} and the other {second.product or UNKNOWN_FOLDER}; "
            "remove the wrong one"
        )
