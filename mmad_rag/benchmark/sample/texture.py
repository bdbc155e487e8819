"""Seeded random shapes: noise fields, cells, blobs, cracks and threads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from PIL import Image

from mmad_rag.benchmark.sample.canvas import Array, Canvas, Colour, Point, Rng


def noise(rng: Rng, size: int, cells: int | tuple[int, int], octaves: int = 1) -> Array:
    """Smooth noise in about [-1, 1] with `cells` bumps across, or (rows, columns); every octave is finer."""
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    field = np.zeros((size, size), dtype=np.float32)
    weight, total = 1.0, 0.0
    for _ in range(octaves):
        coarse = rng.uniform(-1, 1, (rows + 1, columns + 1)).astype(np.float32)
        smooth = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        field += np.float32(weight) * np.asarray(smooth, dtype=np.float32)
        total += weight
        weight, rows, columns = weight / 2, rows * 2, columns * 2
    return field / np.float32(total)


def mottle(colour: Colour, field: Array, amount: float) -> Array:
    """An image of one colour whose brightness follows a field."""
    return np.asarray(colour, dtype=np.float32) * (1 + np.float32(amount) * field)[..., None]


def mix(one: Colour, other: Colour, weight: Array) -> Array:
    """An image that equals `one` if the field `weight` is 0, and `other` if it is 1."""
    first, second = np.asarray(one, dtype=np.float32), np.asarray(other, dtype=np.float32)
    return first + (second - first) * np.clip(weight, 0, 1)[..., None]


def vary(rng: Rng, colour: tuple[float, float, float], amount: float) -> tuple[float, float, float]:
    """A colour near the given one: brightness and each channel moved by up to `amount`."""
    lightness = rng.uniform(-amount, amount)
    channels = np.clip(np.asarray(colour) + lightness + rng.uniform(-amount, amount, 3) / 2, 0, 1)
    return float(channels[0]), float(channels[1]), float(channels[2])


def relief(height: Array, angle: float, strength: float) -> Array:
    """Brightness of a height field (units of the image's width) lit from `angle`: 1 on flat ground."""
    dy, dx = np.gradient(height * np.float32(height.shape[0]))
    slope = dx * np.float32(np.cos(angle)) + dy * np.float32(np.sin(angle))
    light: Array = np.clip(1 - np.float32(strength) * slope, 0.1, 2.2).astype(np.float32)
    return light


def cells(rng: Rng, canvas: Canvas, count: int) -> tuple[Array, Array]:
    """Distances (in cells) to the nearest and the second nearest of jittered points (Worley noise)."""
    points = rng.uniform(0.1, 0.9, (count + 2, count + 2, 2)).astype(np.float32)
    warp_x, warp_y = noise(rng, canvas.size, 5), noise(rng, canvas.size, 5)
    x = np.clip(canvas.x + warp_x * np.float32(0.02), 0, 0.999) * count + 1
    y = np.clip(canvas.y + warp_y * np.float32(0.02), 0, 0.999) * count + 1
    column, row = x.astype(np.int64), y.astype(np.int64)
    nearest = np.full(canvas.x.shape, 9, dtype=np.float32)
    second = nearest.copy()
    for dr in (-1, 0, 1):
        for dc in (-1, 0, 1):
            r, c = row + dr, column + dc
            distance = np.hypot(c + points[r, c, 0] - x, r + points[r, c, 1] - y).astype(np.float32)
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
    return nearest, second


def blob(
    rng: Rng, x: float, y: float, radius: float, *, rough: float = 0.3, stretch: float = 1.0
) -> list[Point]:
    """A closed irregular outline; `stretch` lengthens it in a random direction."""
    turn = rng.uniform(0, np.pi)
    angles = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    radii = radius * (1 + rng.uniform(-rough, rough, 18))
    along, across = radii * np.cos(angles) * stretch, radii * np.sin(angles)
    return [
        (float(x + a * np.cos(turn) - b * np.sin(turn)), float(y + a * np.sin(turn) + b * np.cos(turn)))
        for a, b in zip(along, across, strict=True)
    ]


def zigzag(rng: Rng, start: Point, end: Point, steps: int, amount: float) -> list[Point]:
    """A jagged line between two points, moved sideways by up to `amount` at every step."""
    length = float(np.hypot(end[0] - start[0], end[1] - start[1])) or 1.0
    across = (-(end[1] - start[1]) / length, (end[0] - start[0]) / length)
    path = [start]
    for step in range(1, steps):
        part, side = step / steps, rng.uniform(-amount, amount)
        path.append(
            (
                start[0] + (end[0] - start[0]) * part + across[0] * side,
                start[1] + (end[1] - start[1]) * part + across[1] * side,
            )
        )
    return [*path, end]


def curl(rng: Rng, start: Point, length: float, steps: int = 16, bend: float = 0.5) -> list[Point]:
    """A thread: a path that changes its direction a little at every step."""
    heading = rng.uniform(0, 2 * np.pi)
    drift = rng.uniform(-bend, bend)
    path = [start]
    for _ in range(steps):
        heading += drift + rng.uniform(-bend, bend)
        x, y = path[-1]
        path.append(
            (float(x + np.cos(heading) * length / steps), float(y + np.sin(heading) * length / steps))
        )
    return path


def bezier(points: Sequence[Point], steps: int = 16) -> list[Point]:
    """A smooth curve with the given control points (Bernstein form)."""
    control = [np.asarray(point, dtype=np.float64) for point in points]
    path = []
    for part in np.linspace(0, 1, steps):
        level = control
        while len(level) > 1:
            level = [a * (1 - part) + b * part for a, b in pairwise(level)]
        path.append((float(level[0][0]), float(level[0][1])))
    return path
