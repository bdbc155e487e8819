"""Draw one image of a product with its mask, as a camera would see it."""

from __future__ import annotations

from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Rng
from mmad_rag.benchmark.sample.catalogue import find_product
from mmad_rag.benchmark.sample.drawing import GOOD, Drawing, Flaw, Notes, SampleProduct
from mmad_rag.errors import DataError

_VISIBLE = 0.045
"""The smallest change of a channel (of 1) that counts as part of a defect."""
_ROWS = ("upper", "middle", "lower")
_COLUMNS = ("left", "centre", "right")
_NEAR = 0.06


def draw(product: str, label: str, rng: Rng, size: int = 224, *, kind: str | None = None) -> Drawing:
    """Draw one image; the same generator state gives the same image.

    The scene, the defect and the camera have separate random generators: with the same `rng` state, `good`
    and a defect show the same piece, and the mask covers exactly what the defect changed before the camera's
    blur.

    Args:
        product: a name of `CATALOGUE` or `UNKNOWN_PRODUCTS`.
        label: `good`, or one of the product's defect folders.
        rng: the source of everything that varies; three values are taken from it.
        size: side of the square image in pixels, at least 48.
        kind: one of the label's kinds of defect; None lets `rng` choose.

    Raises:
        DataError: an unknown product, label or kind, or a size below 48.
    """
    what = find_product(product)
    if size < 48:
        raise DataError(f"an image of {size} pixels is too small to show a product; ask for 48 or more")
    scene, flaw_seed, camera = (int(seed) for seed in rng.integers(2**62, size=3))
    flaw_rng = np.random.default_rng(flaw_seed)
    chosen = _choose_kind(what, label, kind, flaw_rng)
    pixels, notes = _paint(what, Flaw(chosen, flaw_rng), scene, size)
    mask = np.zeros((size, size), dtype=np.uint8)
    region, doubtful = "", tuple[str, ...]()
    if chosen != GOOD:
        clean, _ = _paint(what, Flaw(GOOD, np.random.default_rng(flaw_seed)), scene, size)
        mask = _changed(clean, pixels)
        region, doubtful = _locate(mask)
    image = _expose(pixels, np.random.default_rng(camera))
    return Drawing(product, label, chosen, image, mask, region, doubtful, notes)


def _choose_kind(product: SampleProduct, label: str, kind: str | None, rng: Rng) -> str:
    if label not in product.labels:
        raise DataError(
            f"the sample draws no {label!r} of {product.name}; it knows {', '.join(product.labels)}"
        )
    if label == GOOD:
        return GOOD
    kinds = [known.name for known in product.kinds if known.label == label]
    if kind is None:
        return kinds[int(rng.integers(len(kinds)))]
    if kind not in kinds:
        raise DataError(f"{product.name}/{label} has no defect {kind!r}; it has {', '.join(kinds)}")
    return kind


def _paint(product: SampleProduct, flaw: Flaw, scene: int, size: int) -> tuple[Array, Notes]:
    canvas = Canvas(size)
    notes = product.painter(canvas, np.random.default_rng(scene), flaw)
    return np.clip(canvas.pixels, 0, 1), notes


def _changed(clean: Array, flawed: Array) -> npt.NDArray[np.uint8]:
    """A mask: 255 where two images differ visibly, or differ most if little is visible; pinholes are
    closed."""
    change = np.abs(flawed - clean).max(axis=2)
    differs = (change > min(_VISIBLE, float(change.max()) / 2)).astype(np.uint8) * np.uint8(255)
    grown = Image.fromarray(differs).filter(ImageFilter.MaxFilter(5)).filter(ImageFilter.MinFilter(3))
    return np.where(_outside(np.asarray(grown) == 0), 0, 255).astype(np.uint8)


def _outside(free: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The free pixels that are connected to the border, found by rows and columns in turn."""
    side = free.shape[0]
    lines = np.arange(side)[:, None] * (side + 1)
    runs = [np.cumsum(~free, axis=1) + lines, np.cumsum(~free, axis=0) + lines.T]
    reached = free.copy()
    reached[1:-1, 1:-1] = False
    while True:
        before = int(reached.sum())
        for run in runs:
            counts = np.bincount(run[reached], minlength=side * (side + 1) + 1)
            reached = (counts[run] > 0) & free
        if int(reached.sum()) == before:
            return reached


def _locate(mask: npt.NDArray[np.uint8]) -> tuple[str, tuple[str, ...]]:
    """The ninth of the image that holds the mask's centroid, and the other ninths close to the centroid."""
    rows, columns = np.nonzero(mask)
    y, x = float(rows.mean() + 0.5) / mask.shape[0], float(columns.mean() + 0.5) / mask.shape[1]
    name = partial(_region, y, x)
    shifts = [(dy, dx) for dy in (-_NEAR, 0, _NEAR) for dx in (-_NEAR, 0, _NEAR)]
    near = dict.fromkeys(name(dy, dx) for dy, dx in shifts)
    here = name(0, 0)
    return here, tuple(region for region in near if region != here)


def _region(y: float, x: float, dy: float, dx: float) -> str:
    return region_of(x + dx, y + dy)


def region_of(x: float, y: float) -> str:
    """The words for a place in the image: (0, 0) is the `upper left`, the middle ninth is the `centre`."""
    row, column = (min(2, max(0, int(part * 3))) for part in (y, x))
    if (row, column) == (1, 1):
        return "centre"
    return f"{_ROWS[row]} {_COLUMNS[column]}"


def _expose(pixels: Array, rng: Rng) -> npt.NDArray[np.uint8]:
    """The scene as a camera records it: uneven light, tint, gain, softness and grain."""
    size = pixels.shape[0]
    turn, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.16)
    ramp = np.linspace(-1, 1, size, dtype=np.float32)
    light = 1 + np.float32(slope) * (
        ramp[None, :] * np.float32(np.cos(turn)) + ramp[:, None] * np.float32(np.sin(turn))
    )
    corner = 1 - np.float32(rng.uniform(0, 0.1)) * (ramp[None, :] ** 2 + ramp[:, None] ** 2)
    gain = rng.uniform(0.86, 1.08) * (1 + rng.uniform(-0.035, 0.035, 3))
    exposed = pixels * (light * corner)[..., None] * gain.astype(np.float32)
    image = Image.fromarray((np.clip(exposed, 0, 1) * 255).astype(np.uint8))
    image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0, 0.0035) * size))
    grain = rng.normal(0, rng.uniform(0.8, 4.0), (size, size)).astype(np.float32)
    noisy = np.asarray(image, dtype=np.float32) + grain[..., None]
    seen: npt.NDArray[np.uint8] = np.clip(noisy + np.float32(0.5), 0, 255).astype(np.uint8)
    return seen
