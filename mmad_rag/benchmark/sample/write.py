"""Render the sample benchmark in MMAD's layout."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt
from PIL import Image

from mmad_rag.benchmark.sample.canvas import Rng
from mmad_rag.benchmark.sample.catalogue import CATALOGUE, UNKNOWN_PRODUCTS, find_product
from mmad_rag.benchmark.sample.draw import draw
from mmad_rag.benchmark.sample.drawing import GOOD, Drawing, SampleProduct
from mmad_rag.benchmark.sample.folder import SAMPLE_NAME, SampleFolder
from mmad_rag.benchmark.sample.pages import Page, file_names, records_of
from mmad_rag.benchmark.sample.questions import ask
from mmad_rag.errors import DataError
from mmad_rag.records import Json

SAMPLE_VERSION = "1"
"""Version of the sample, raised whenever the same arguments give other bytes."""

_OFFICIAL_TEMPLATES = 8
"""Number of similar and of random templates per image in MMAD's own file."""


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """The counts of what was written."""

    products: int
    """Number of products of the catalogue."""
    good: int
    """Number of normal query images."""
    defective: int
    """Number of defective query images; each has a mask."""
    templates: int
    """Number of normal reference images."""
    unknown: int
    """Number of images of products outside the catalogue; they have no questions."""
    questions: int
    """Number of questions of all types."""
    mmad_sha256: str
    """SHA-256 (hex) of `mmad.json`."""

    @property
    def images(self) -> int:
        """Number of all images; masks are not counted."""
        return self.good + self.defective + self.templates + self.unknown


def image_rng(seed: int, product: str, role: str, number: int) -> Rng:
    """The random generator of one image of the sample; it depends on nothing but the arguments and the
    version."""
    text = f"{SAMPLE_NAME} {SAMPLE_VERSION}/{seed}/{product}/{role}/{number}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big"))


def render_sample(
    out: Path,
    *,
    seed: int = 0,
    size: int = 224,
    per_defect: int = 2,
    templates: int = 8,
    unknown: int = 6,
    products: Sequence[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Render the sample benchmark into a new, empty, or earlier sample folder.

    The same arguments give the same bytes with the same versions of numpy and Pillow. Each image depends on
    its own product, label and number alone, so products can be added without changing the images of others.

    Args:
        out: the folder; an earlier sample in it is replaced, file by file, and nothing else is touched.
        seed: everything that varies follows from it.
        size: side of the square images in pixels, at least 48.
        per_defect: images per kind of defect, at least 1; each product gets as many normal images in total.
        templates: normal reference images per product, at least 1.
        unknown: images per product outside the catalogue, 0 or more.
        products: names of `CATALOGUE`; None for all.
        progress: called with (images done, all images) after each image.

    Raises:
        DataError: the folder holds something else, or an argument is out of its range.
    """
    chosen = CATALOGUE if products is None else tuple(_in_catalogue(name) for name in dict.fromkeys(products))
    if min(per_defect, templates) < 1 or unknown < 0 or not chosen:
        raise DataError(
            "a sample needs at least one product, one image per defect and one template per product"
        )
    outside = UNKNOWN_PRODUCTS if unknown else ()
    total = sum(2 * per_defect * len(product.kinds) + templates for product in chosen) + unknown * len(
        outside
    )
    studio = _Studio(SampleFolder(out), seed, size, total, progress)
    about: Json = {"version": SAMPLE_VERSION, "seed": seed, "size": size, "licence": "CC0-1.0"}
    about["note"] = "All pictures are rendered and all questions generated; nothing is taken from MMAD."
    studio.folder.describe(about | {"complete": False})
    pages = [page for product in chosen for page in _product(studio, product, per_defect, templates)]
    for thing in outside:
        for number in range(unknown):
            studio.image(f"unknown/{thing.name}/{number:03d}.png", thing, GOOD, number)
    records = records_of(pages, image_rng(seed, "", "questions", 0))
    bad = sum(page.mask is not None for page in pages)
    summary = SampleSummary(
        products=len(chosen),
        good=len(pages) - bad,
        defective=bad,
        templates=templates * len(chosen),
        unknown=unknown * len(outside),
        questions=sum(len(page.drafts) for page in pages),
        mmad_sha256=studio.folder.write("mmad.json", (json.dumps(records, indent=1) + "\n").encode()),
    )
    studio.folder.describe(about | {"complete": True, "counts": asdict(summary)})
    studio.folder.close()
    return summary


def _in_catalogue(name: str) -> SampleProduct:
    product = find_product(name)
    if product in UNKNOWN_PRODUCTS:
        raise DataError(
            f"{name} is outside the catalogue and has no questions; choose products of the catalogue"
        )
    return product


class _Studio:
    """Draws images into a folder and reports the progress."""

    def __init__(
        self,
        folder: SampleFolder,
        seed: int,
        size: int,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.folder, self.seed, self._size = folder, seed, size
        self._total, self._done, self._progress = total, 0, progress

    def image(self, path: str, product: SampleProduct, label: str, number: int, kind: str = GOOD) -> Drawing:
        """Draw one image and store it under `path`."""
        rng = image_rng(self.seed, product.name, "/".join(PurePosixPath(path).parts[-3:-1]), number)
        drawing = draw(product.name, label, rng, self._size, kind=None if label == GOOD else kind)
        self.folder.write(path, _encode(drawing.image, path))
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)
        return drawing


def _encode(pixels: npt.NDArray[np.uint8], path: str) -> bytes:
    buffer = io.BytesIO()
    if path.endswith(".JPG"):
        Image.fromarray(pixels).save(buffer, "JPEG", quality=93)
    else:
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=2)
    return buffer.getvalue()


def _product(studio: _Studio, product: SampleProduct, per_defect: int, templates: int) -> list[Page]:
    """Draw one product's templates and queries."""
    visa = product.dataset == "VisA"
    home = f"{product.dataset}/{product.name}"
    normal: dict[str, npt.NDArray[np.float32]] = {}
    for number in range(templates):
        path = (
            f"{home}/train/good/{100 + number:04d}.JPG"
            if visa
            else f"MVTec-AD/{product.name}/train/good/{number:03d}.png"
        )
        normal[path] = _thumbnail(studio.image(path, product, GOOD, number))
    kinds = [(kind.label, kind.name) for kind in product.kinds for _ in range(per_defect)]
    pages = []
    seen: dict[str, int] = {}
    for label, kind in [*kinds, *[(GOOD, GOOD)] * len(kinds)]:
        number = seen.get(label, 0)
        seen[label] = number + 1
        image_path, mask = file_names(label, number, visa=visa)
        drawing = studio.image(f"{home}/{image_path}", product, label, number, kind)
        if mask is not None:
            studio.folder.write(f"{home}/{mask}", _encode(drawing.mask, mask))
        ranked = _by_likeness(_thumbnail(drawing), normal)
        shuffled = image_rng(studio.seed, product.name, f"templates/{label}", number).permutation(len(ranked))
        some = sorted(list(normal)[int(index)] for index in shuffled[:_OFFICIAL_TEMPLATES])
        drafts = tuple(ask(drawing, number))
        pages.append(Page(f"{home}/{image_path}", image_path, mask, tuple(ranked), tuple(some), drafts))
    return pages


def _thumbnail(drawing: Drawing) -> npt.NDArray[np.float32]:
    small = Image.fromarray(drawing.image).resize((16, 16), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32)


def _by_likeness(here: npt.NDArray[np.float32], normal: dict[str, npt.NDArray[np.float32]]) -> list[str]:
    """Paths of the templates whose thumbnails differ least from the image's, best first."""
    ranked = sorted(normal, key=lambda path: float(np.mean((normal[path] - here) ** 2)))
    return ranked[:_OFFICIAL_TEMPLATES]
