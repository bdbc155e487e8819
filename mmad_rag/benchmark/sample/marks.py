"""Marks that the drawings of several products share: drops, shavings, fringes, dents and strokes."""

from __future__ import annotations

import numpy as np

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Frame, Point, Rng
from mmad_rag.benchmark.sample.texture import blob, mottle, noise, zigzag

QUARTERS: tuple[tuple[str, Point], ...] = (
    ("upper left piece", (-0.235, -0.235)),
    ("upper right piece", (0.235, -0.235)),
    ("lower left piece", (-0.235, 0.235)),
    ("lower right piece", (0.235, 0.235)),
)
"""Names and places of four pieces that lie in two rows of two."""


def spot(rng: Rng) -> Point:
    """A place for a defect, away from the image's edge."""
    return float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.2, 0.8))


def step(start: Point, heading: float, length: float) -> Point:
    """The point `length` away from `start` in the direction `heading` (radians, clockwise from the right)."""
    return float(start[0] + np.cos(heading) * length), float(start[1] + np.sin(heading) * length)


def pick(rng: Rng, colours: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """One of the given colours."""
    return colours[int(rng.integers(len(colours)))]


def fringe(canvas: Canvas, rng: Rng, at: Point, reach: float) -> Array:
    """Loose thread ends that stick into a damaged place."""
    ends = []
    for turn in rng.uniform(0, 2 * np.pi, 9):
        start = step(at, turn, reach)
        ends.append(zigzag(rng, start, step(at, turn + rng.uniform(-0.4, 0.4), reach * 0.35), 3, 0.01))
    return canvas.page().strokes(ends, 0.009)


def metal_chip(canvas: Canvas, rng: Rng, at: Point) -> None:
    """Bright shavings of metal with dark edges, lying on top."""
    local = canvas.frame(*at, angle=rng.uniform(0, np.pi))
    shavings = [
        blob(rng, float(x), float(y), rng.uniform(0.02, 0.034), rough=0.4, stretch=1.7)
        for x, y in rng.uniform(-0.035, 0.035, (3, 2))
    ]
    chip = local.polygons(shavings)
    canvas.shadow(chip, shift=(0.008, 0.01), blur=0.006, strength=0.75)
    canvas.paint(chip, mottle((0.82, 0.83, 0.86), noise(rng, canvas.size, 50), 0.35))


def drop(canvas: Canvas, rng: Rng, at: Point, colour: tuple[float, float, float], opacity: float) -> None:
    """A glossy drop that stands on the surface."""
    local: Frame = canvas.frame(*at, angle=rng.uniform(0, np.pi), scale=rng.uniform(0.05, 0.07))
    inside = local.ellipse(0, 0, rng.uniform(1, 1.4), 1)
    canvas.shadow(inside, shift=(0.012, 0.014), blur=0.012, strength=0.55)
    rim = np.clip(local.radius() - np.float32(0.55), 0, 1) * inside
    canvas.paint(inside, colour, opacity)
    canvas.shade(1 - rim * np.float32(0.5))
    spark = canvas.frame(at[0] - 0.016, at[1] - 0.02, scale=0.02).ellipse(0, 0, 1, 0.7, 0.5)
    canvas.glow(spark * np.float32(0.8))


def torn_strip(rng: Rng, length: float, width: float) -> list[Point]:
    """The outline of a strip along x whose short ends are torn."""
    half, rows = length / 2, np.linspace(-width / 2, width / 2, 6)
    right = [(float(half + rng.uniform(-0.02, 0.02)), float(y)) for y in rows]
    left = [(float(-half + rng.uniform(-0.02, 0.02)), float(y)) for y in rows[::-1]]
    return right + left
