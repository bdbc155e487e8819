"""A tiny world: three products told apart by colour, whose vectors can be worked out by hand."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError
from mmad_rag.images import to_rgb
from mmad_rag.records import EncodedImage, FloatArray

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 40, 230)}

PRODUCT = """\
schema_version: 1
product: {product}
dataset: Tiny world
visual:
  name: {colour} {shape}
  aliases: [plain {colour} {shape}, {colour} test {shape}, small {colour} {shape}]
  descriptions: [One {colour} {shape} in the middle of the picture.]
view: [The {shape} lies alone on a table.]
normal:
  appearance: [The {shape} is evenly {colour} and smooth.]
  structure: [The {shape} is made from a single piece of wood.]
  function: [The {shape} teaches children their colours.]
  variation: [Slightly darker {colour} shades are tolerated.]
defects:
  - id: crack
    name: Crack in the {shape}
    folders: [crack]
    appearance: [A thin black line runs across the {colour} paint.]
    location: [It starts at the rim of the {shape}.]
    cause: [The {shape} was dropped on a hard floor.]
    effect: [Splinters of the {shape} can hurt a child.]
    look_alikes:
      - defect: stain
        how: [A crack is narrow and has sharp ends.]
  - id: stain
    name: Stain on the {shape}
    folders: [stain]
    appearance: [A round dull patch covers some {colour} paint.]
    location: [It lies near the middle of the {shape}.]
    cause: [Grease from a hand or a machine was left on it.]
    effect: [The {shape} looks dirty but still works.]
    look_alikes:
      - defect: crack
        how: [A stain is wide and has soft edges.]
provenance:
  sources: [Invented for tests]
  author: test author
  licence: CC0-1.0
  date: 2026-01-31
  status: checked
"""

SHAPES = {"red_disc": ("red", "disc"), "green_square": ("green", "square"), "blue_bar": ("blue", "bar")}


def png(colour: tuple[int, int, int], size: int = 16, shade: int = 0) -> bytes:
    """A plain image of one colour; `shade` makes its bytes differ."""
    pixels = np.full((size, size, 3), colour, np.uint8)
    pixels[0, 0] = (shade % 256, 0, 0)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


class ColourTower:
    """Both towers: an image is its mean colour, a text the sum of the colours it names."""

    def __init__(self, context: int = 32) -> None:
        self.context = context
        self.images_seen = 0
        self.texts_seen: list[str] = []

    def encode_images(self, pictures: Sequence[EncodedImage]) -> FloatArray:
        self.images_seen += len(pictures)
        rows = [np.asarray(to_rgb(image), np.float32).mean(axis=(0, 1)) for image in pictures]
        return _unit(np.asarray(rows, np.float32).reshape(len(rows), 3))

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        self.texts_seen += texts
        for text in texts:
            if self.count_tokens(text) > self.context:
                raise EncoderError(f"too long: {text}")
        rows = np.full((len(texts), 3), 20.0, np.float32)
        for number, text in enumerate(texts):
            for word in text.lower().replace(".", "").split():
                rows[number] += COLOURS.get(word, (0, 0, 0))
        return _unit(rows)

    def count_tokens(self, text: str) -> int:
        return len(text.split()) + 2


def _unit(rows: FloatArray) -> FloatArray:
    scaled: FloatArray = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(
        np.float32
    )
    return scaled


def colour_encoder(*, texts: bool = True, images: bool = True, name: str = "colour") -> Encoder:
    """An encoder of three dimensions: red, green, blue."""
    tower = ColourTower()
    fingerprint = hashlib.sha256(name.encode()).hexdigest()
    return Encoder(
        f"test:{name}",
        fingerprint,
        3,
        tower if images else None,
        tower if texts else None,
        32 if texts else None,
    )


@dataclass(frozen=True)
class World:
    """Where the tiny world's files are."""

    knowledge: Path
    references: Path
    queries: dict[str, Path]


def make_world(root: Path) -> World:
    """Write three product files, two reference images and one query image of each."""
    knowledge, references, queries = root / "knowledge", root / "references", root / "queries"
    for folder in (knowledge, references, queries):
        folder.mkdir(parents=True)
    paths: dict[str, Path] = {}
    for product, (colour, shape) in SHAPES.items():
        (knowledge / f"{product}.yaml").write_text(
            PRODUCT.format(product=product, colour=colour, shape=shape)
        )
        (references / product).mkdir()
        for number in (1, 2):
            (references / product / f"{number}.png").write_bytes(png(COLOURS[colour], shade=number))
        paths[product] = queries / f"{product}.png"
        paths[product].write_bytes(png(COLOURS[colour], shade=99))
    return World(knowledge, references, paths)
