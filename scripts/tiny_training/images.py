"""Render the training images."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from mmad_rag.benchmark.sample.catalogue import CATALOGUE
from mmad_rag.benchmark.sample.draw import draw

CACHED = 128
"""Side of a cached image in pixels."""
_TRAINING_KEY = 0x7111_7A1A
"""In the seed of every training image and of nothing else: the sample never draws from these streams."""
_SIZES = (128, 176, 224)
_COLOURS = {
    "red": (190, 40, 40), "green": (50, 150, 60), "blue": (40, 70, 180), "yellow": (220, 200, 60),
    "orange": (225, 130, 40), "purple": (120, 60, 150), "brown": (120, 80, 45), "black": (25, 25, 28),
    "white": (235, 235, 230), "grey": (128, 128, 128), "pink": (230, 150, 170), "turquoise": (60, 180, 180),
}  # fmt: skip
_SHAPES = ("disc", "ring", "square", "triangle", "star", "cross", "bar", "arc", "dots", "stripes", "noise")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A set of cached images."""

    images: npt.NDArray[np.uint8]
    """(n, CACHED, CACHED, 3)."""
    products: list[str]
    """The drawn product, or a name of its own for each distractor."""
    labels: list[str]
    """`good` or the defect's folder; for a distractor the words that describe it."""


@dataclass(frozen=True, slots=True)
class _Job:
    product: str
    label: str
    number: int
    seed: int


def render(*, per_product: int, distractors: int, seed: int, workers: int) -> Rendered:
    """Images of every drawn product, a third of them good, and shapes that are not products."""
    jobs = [
        _Job(product.name, _label(product.labels, number), number, seed)
        for product in CATALOGUE
        for number in range(per_product)
    ]
    jobs += [_Job("", "", number, seed) for number in range(distractors)]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        drawn = pool.map(_render_one, jobs, chunksize=32)
    names = [job.product or f"distractor {job.number}" for job in jobs]
    return Rendered(np.stack([image for image, _ in drawn]), names, [label for _, label in drawn])


def _label(labels: tuple[str, ...], number: int) -> str:
    defects = labels[1:]
    return labels[0] if number % 3 == 0 or not defects else defects[number % len(defects)]


def _render_one(job: _Job) -> tuple[npt.NDArray[np.uint8], str]:
    name = int.from_bytes(job.product.encode() or b"-", "big")
    sequence = np.random.SeedSequence(entropy=[job.seed, name, job.number], spawn_key=(_TRAINING_KEY,))
    rng = np.random.default_rng(sequence)
    if not job.product:
        return _distractor(rng)
    size = _SIZES[int(rng.integers(len(_SIZES)))]
    image = Image.fromarray(draw(job.product, job.label, rng, size).image)
    return np.asarray(image.resize((CACHED, CACHED), Image.Resampling.BICUBIC)), job.label


def _distractor(rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], str]:
    """A few shapes of one colour on a ground of another, with the words for it."""
    fore, back = (str(name) for name in rng.choice(list(_COLOURS), size=2, replace=False))
    shape = _SHAPES[int(rng.integers(len(_SHAPES)))]
    image = Image.new("RGB", (CACHED, CACHED), _shade(back, rng))
    pen = ImageDraw.Draw(image)
    pieces = int(rng.choice([1, 1, 2, 3, 4, 6, 9]))
    for _ in range(pieces):
        _stamp(pen, shape, _shade(fore, rng), rng, 0.42 / np.sqrt(pieces))
    if rng.random() < 0.5:
        image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.5))))
    coarse = rng.normal(0, rng.uniform(0, 28), (int(rng.integers(4, 64)),) * 2).clip(-80, 80)
    grain = np.asarray(Image.fromarray(coarse.astype(np.float32)).resize((CACHED, CACHED)))
    noisy = np.asarray(image, dtype=np.float32) + grain[..., None] + rng.normal(0, 3, (CACHED, CACHED, 1))
    number = "one" if pieces == 1 else "several"
    return noisy.clip(0, 255).astype(np.uint8), f"{number} {fore} {shape} on a {back} background"


def _shade(colour: str, rng: np.random.Generator) -> tuple[int, int, int]:
    base = np.array(_COLOURS[colour]) * rng.uniform(0.8, 1.15) + rng.normal(0, 10, 3)
    red, green, blue = (int(value) for value in base.clip(0, 255))
    return red, green, blue


def _stamp(
    pen: ImageDraw.ImageDraw, shape: str, colour: tuple[int, int, int], rng: np.random.Generator, reach: float
) -> None:
    """Draw one piece somewhere."""
    radius = float(rng.uniform(0.5, 1.0) * reach * CACHED)
    x, y = rng.uniform(radius, CACHED - radius, 2)
    box = (x - radius, y - radius, x + radius, y + radius)
    turn = float(rng.uniform(0, 360))
    width = max(2, int(radius * rng.uniform(0.15, 0.5)))
    if shape == "disc":
        pen.ellipse(box, fill=colour)
    elif shape == "ring":
        pen.ellipse(box, outline=colour, width=width)
    elif shape == "arc":
        pen.arc(box, turn, turn + float(rng.uniform(90, 250)), fill=colour, width=width)
    elif shape in ("square", "triangle"):
        pen.regular_polygon((x, y, radius), 4 if shape == "square" else 3, rotation=turn, fill=colour)
    elif shape in ("star", "cross", "bar"):
        spokes = {"star": 5, "cross": 2, "bar": 1}[shape]
        for spoke in range(spokes):
            angle = np.deg2rad(turn + spoke * 180 / spokes)
            dx, dy = radius * np.cos(angle), radius * np.sin(angle)
            pen.line((x - dx, y - dy, x + dx, y + dy), fill=colour, width=width)
    elif shape == "dots":
        for dot_x, dot_y in rng.uniform(0, CACHED, (30, 2)):
            size = width / 4
            pen.ellipse((dot_x - size, dot_y - size, dot_x + size, dot_y + size), fill=colour)
    elif shape == "stripes":
        for left in range(0, CACHED, width + int(rng.integers(3, 20))):
            pen.rectangle((left, 0, left + width / 2, CACHED), fill=colour)
    else:
        for _ in range(40):
            points = rng.uniform(0, CACHED, 4)
            pen.line(tuple(float(point) for point in points), fill=colour, width=1)
