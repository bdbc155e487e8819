"""The records that a painter gets, that it returns, and that hold a finished drawing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.sample.canvas import Canvas, Rng

GOOD = "good"
"""The label of a normal piece, and the kind of a flaw that is not a defect."""


@dataclass(frozen=True, slots=True)
class Flaw:
    """The defect to draw on one piece."""

    kind: str
    """`good`, or the kind of defect, e.g. `broken_large`."""
    rng: Rng
    """Random generator for the defect only: its use changes nothing else in the image."""


@dataclass(frozen=True, slots=True)
class Notes:
    """What a painter says about the image it has just drawn."""

    part: str = ""
    """The part of the product that the defect is on; empty if the image region is enough."""
    direction: tuple[float, float] | None = None
    """The direction in which the product's tip points, as (right, down); None if there is no tip."""
    colour: str = ""
    """The name of a colour that differs between good pieces; empty if no colour differs."""


Painter: TypeAlias = Callable[[Canvas, Rng, Flaw], Notes]
"""A function that draws a scene; everything but the defect depends on the second argument alone."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One way in which a drawn product can be defective."""

    name: str
    """The drawing's own word, e.g. `missing_wick`."""
    label: str
    """MMAD's folder, e.g. `missing_wire`, or `bad` for VisA."""


@dataclass(frozen=True, slots=True)
class SampleProduct:
    """One product that the sample can draw."""

    name: str
    """MMAD's category, e.g. `metal_nut`."""
    dataset: str
    """MMAD's first path component: `DS-MVTec`, `VisA`, or `unknown` outside the catalogue."""
    kinds: tuple[Kind, ...]
    """The defects; empty outside the catalogue."""
    painter: Painter = field(repr=False)
    """The function that draws the product."""

    @property
    def labels(self) -> tuple[str, ...]:
        """`good` first, then the folders of the defects, each once."""
        return (GOOD, *dict.fromkeys(kind.label for kind in self.kinds))


@dataclass(frozen=True, slots=True)
class Drawing:
    """A finished image with everything that is true about it."""

    product: str
    """The product's name."""
    label: str
    """`good`, or the defect's folder."""
    kind: str
    """`good`, or the drawing's own word for the defect."""
    image: npt.NDArray[np.uint8] = field(repr=False)
    """uint8 of shape (size, size, 3), RGB."""
    mask: npt.NDArray[np.uint8] = field(repr=False)
    """uint8 of shape (size, size): 255 where the defect changed the image, 0 elsewhere."""
    region: str
    """The ninth of the image that holds the mask's centroid, e.g. `upper left`; empty without a defect."""
    doubtful: tuple[str, ...]
    """Regions so near the centroid that they are not a fair wrong answer."""
    notes: Notes
    """What the painter says about this image."""
