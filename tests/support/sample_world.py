"""What the tests of the sample share: a sample in small images, and short ways to look at one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.benchmark.sample import CATALOGUE, SampleProduct, SampleSummary, render_sample
from mmad_rag.records import Json

DEFECT_TYPES = {name for name in MMAD_COLUMNS.folds if name.startswith("Defect")}
OBJECT_TYPES = {name for name in MMAD_COLUMNS.folds if name.startswith("Object")}


@dataclass(frozen=True)
class Rendered:
    """A sample on disk."""

    folder: Path
    summary: SampleSummary
    records: Json

    def questions(self) -> Iterator[tuple[str, Json]]:
        """Every question with the path of its image."""
        for path, record in self.records.items():
            for question in record["conversation"]:
                yield path, question


def render_whole(folder: Path, seed: int = 0, templates: int = 8) -> Rendered:
    """A sample of all products in small images."""
    summary = render_sample(folder, size=48, seed=seed, templates=templates)
    return Rendered(folder, summary, json.loads((folder / "mmad.json").read_text(encoding="utf-8")))


def render_small(folder: Path, *, seed: int = 0, templates: int = 2) -> SampleSummary:
    """A sample of three products, fast enough for every test."""
    products = ["bottle", "candle", "capsule"]
    return render_sample(
        folder, seed=seed, size=48, per_defect=1, templates=templates, unknown=1, products=products
    )


def render_two(folder: Path) -> SampleSummary:
    """A sample of two products in whole images, each defect once."""
    return render_sample(folder, products=("bottle", "metal_nut"), per_defect=1, templates=2, unknown=1)


def find(name: str) -> SampleProduct:
    """A product of the catalogue."""
    return next(product for product in CATALOGUE if product.name == name)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


PRODUCTS = ("bottle", "metal_nut", "capsule", "capsules")


@dataclass(frozen=True)
class Bench:
    """A small sample with its index."""

    data: Path
    index: Path

    def image(self, name: str) -> Path:
        return self.data / name
