"""Product files, images and an encoder that counts, for indexes that change."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.knowledge import KnowledgeBase
from mmad_rag.knowledge.base import ProductFile, read_product
from mmad_rag.records import EncodedImage, FloatArray
from tests.support.world import PRODUCT, ColourTower, colour_encoder

TEXTS = ("red disc", "green square", "blue bar", "red ring")


NO_STAIN = 3
"""The number of the text without the defect `stain`."""


class CountingTower(ColourTower):
    """Counts how often it saw each image and each text."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def encode_images(self, pictures: Sequence[EncodedImage]) -> FloatArray:
        self.seen.update(image.digest for image in pictures)
        return super().encode_images(pictures)

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        self.seen.update(texts)
        return super().encode_texts(texts)


def counting_encoder() -> tuple[Encoder, CountingTower]:
    tower = CountingTower()
    return dataclasses.replace(colour_encoder(), images=tower, texts=tower), tower


@functools.cache
def product_file(product: str, text: int) -> ProductFile:
    """A product file with one of four texts."""
    colour, shape = TEXTS[text].split()
    written = PRODUCT.format(product=product, colour=colour, shape=shape)
    if text == NO_STAIN:
        start, end = written.index("  - id: stain"), written.index("provenance:")
        written = written[:start] + written[end:]
        written = written.replace(
            "      - defect: stain\n        how: [A crack is narrow and has sharp ends.]\n", ""
        )
        written = written.replace("    look_alikes:\n", "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{product}.yaml"
        path.write_text(written)
        found, problems = read_product(path)
    assert found is not None
    assert not problems
    return found


def base_of(texts: dict[str, int]) -> KnowledgeBase:
    return KnowledgeBase(Path("unused"), tuple(product_file(name, texts[name]) for name in sorted(texts)))
