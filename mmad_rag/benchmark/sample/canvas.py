"""A square float image with antialiased shapes, shadows and light, drawn in unit coordinates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

Array: TypeAlias = npt.NDArray[np.float32]
"""A float32 array: a field has shape (size, size), an image (size, size, 3)."""
Colour: TypeAlias = "tuple[float, float, float] | Array"
"""Red, green and blue in [0, 1], or an image of them."""
Point: TypeAlias = tuple[float, float]
"""A point (x, y): x points to the right, y downwards."""
Rng: TypeAlias = np.random.Generator

OVERSAMPLING = 3
"""Antialiasing of polygons and lines: pixels of the drawing board per pixel of the image."""


class Canvas:
    """An image under construction; (0, 0) is its upper left corner and (1, 1) its lower right corner.

    Args:
        size: side of the square in pixels.
        parent: the canvas that this one is a window of; drawing here draws on the parent.
        corner: column and row of the window's upper left pixel on its parent.
    """

    def __init__(self, size: int, parent: Canvas | None = None, corner: tuple[int, int] = (0, 0)) -> None:
        left, top = corner
        self.size = size
        self.unit: int = size if parent is None else parent.unit
        self.corner = corner
        steps = np.arange(size, dtype=np.float32) + np.float32(0.5)
        unit = np.float32(self.unit)
        self.y, self.x = np.meshgrid(
            (steps + np.float32(top)) / unit, (steps + np.float32(left)) / unit, indexing="ij"
        )
        if parent is None:
            self.pixels: Array = np.zeros((size, size, 3), dtype=np.float32)
        else:
            self.pixels = parent.pixels[top : top + size, left : left + size]

    def window(self, x: float, y: float, reach: float) -> Canvas:
        """The square of half side `reach` around (x, y), moved inside the canvas; it makes small shapes fast
        to draw."""
        side = min(self.size, 2 * int(np.ceil(reach * self.unit)))
        left, top = (min(max(0, round(at * self.unit) - side // 2), self.size - side) for at in (x, y))
        return Canvas(side, self, (left, top))

    def fill(self, colour: Colour) -> None:
        """Cover everything with one colour or image."""
        self.pixels[:] = np.asarray(colour, dtype=np.float32)

    def paint(self, cover: Array, colour: Colour, opacity: float = 1.0) -> None:
        """Paint a colour over the image with the coverage `cover` (field in [0, 1])."""
        weight = (cover * np.float32(opacity))[..., None]
        self.pixels += (np.asarray(colour, dtype=np.float32) - self.pixels) * weight

    def shade(self, factor: Array, cover: Array | None = None) -> None:
        """Multiply the image by a field: 1 leaves it as it is, less darkens."""
        if cover is not None:
            factor = 1 + (factor - 1) * cover
        self.pixels *= factor.astype(np.float32)[..., None]

    def glow(self, amount: Array, colour: Colour = (1.0, 1.0, 1.0)) -> None:
        """Add light: `amount` (field) times a colour."""
        self.pixels += amount.astype(np.float32)[..., None] * np.asarray(colour, dtype=np.float32)

    def shadow(self, cover: Array, *, shift: Point, blur: float, strength: float) -> None:
        """Draw the shadow of a shape that is painted next, `shift` units away and `blur` units soft."""
        rows, columns = round(shift[1] * self.unit), round(shift[0] * self.unit)
        moved = np.roll(self.soften(cover, blur), (rows, columns), axis=(0, 1))
        self.shade(1 - np.float32(strength) * moved)

    def soften(self, cover: Array, blur: float) -> Array:
        """The field (in [0, 1]) after a Gaussian blur of radius `blur` (in units)."""
        grey = Image.fromarray((np.clip(cover, 0, 1) * 255).astype(np.uint8))
        blurred = grey.filter(ImageFilter.GaussianBlur(blur * self.unit))
        return np.asarray(blurred, dtype=np.float32) / np.float32(255)

    def raster(self, draw: Callable[[ImageDraw.ImageDraw], None]) -> Array:
        """Coverage of the white parts that `draw(pen)` draws on a board of `OVERSAMPLING` times the size."""
        side = self.size * OVERSAMPLING
        board = Image.new("L", (side, side))
        draw(ImageDraw.Draw(board))
        return np.asarray(board.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)

    def frame(self, x: float = 0.5, y: float = 0.5, angle: float = 0.0, scale: float = 1.0) -> Frame:
        """Local coordinates around (x, y), turned by `angle` (radians, clockwise); one unit is `scale`."""
        dx, dy = self.x - np.float32(x), self.y - np.float32(y)
        cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        u, v = (dx * cos + dy * sin) / np.float32(scale), (dy * cos - dx * sin) / np.float32(scale)
        return Frame(self, x, y, angle, scale, u, v)

    def page(self) -> Frame:
        """The canvas's own coordinates as a frame."""
        return self.frame(0.0, 0.0)


@dataclass(frozen=True)
class Frame:
    """Local coordinates on a canvas; shapes are given in them and come back as coverage fields in [0, 1]."""

    canvas: Canvas
    """The canvas that the frame belongs to."""
    x: float
    """Horizontal position of the origin on the canvas."""
    y: float
    """Vertical position of the origin on the canvas."""
    angle: float
    """Rotation in radians, clockwise."""
    scale: float
    """Canvas units per local unit."""
    u: Array
    """Local x of every pixel."""
    v: Array
    """Local y of every pixel."""

    def on(self, canvas: Canvas) -> Frame:
        """The same coordinates on a window of the canvas."""
        return canvas.frame(self.x, self.y, self.angle, self.scale)

    def place(self, point: Point) -> Point:
        """The position of a local point on the canvas."""
        cos, sin = np.cos(self.angle) * self.scale, np.sin(self.angle) * self.scale
        return (
            float(self.x + point[0] * cos - point[1] * sin),
            float(self.y + point[0] * sin + point[1] * cos),
        )

    def inside(self, distance: Array, softness: float = 0.0) -> Array:
        """Coverage from a signed distance (negative inside); the edge is one pixel or `softness` wide."""
        width = max(1.0 / (self.canvas.unit * self.scale), softness)
        cover: Array = np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1).astype(np.float32)
        return cover

    def radius(self, x: float = 0.0, y: float = 0.0) -> Array:
        """Distance of every pixel from a local point."""
        distance: Array = np.hypot(self.u - np.float32(x), self.v - np.float32(y))
        return distance

    def disc(self, x: float, y: float, radius: float, softness: float = 0.0) -> Array:
        """A filled circle."""
        return self.inside(self.radius(x, y) - np.float32(radius), softness)

    def ring(self, radius: float, width: float, softness: float = 0.0) -> Array:
        """A circle line around the origin."""
        return self.inside(np.abs(self.radius() - np.float32(radius)) - np.float32(width / 2), softness)

    def ellipse(self, x: float, y: float, rx: float, ry: float, softness: float = 0.0) -> Array:
        """A filled ellipse along the axes."""
        return self.inside(self.oval(x, y, rx, ry) * np.float32(min(rx, ry)), softness)

    def oval(self, x: float, y: float, rx: float, ry: float) -> Array:
        """Signed distance from an ellipse in units of its radius: -1 in the middle, 0 on the edge."""
        across = (self.u - np.float32(x)) / np.float32(rx)
        distance: Array = np.hypot(across, (self.v - np.float32(y)) / np.float32(ry)) - 1
        return distance

    def box(self, x: float, y: float, width: float, height: float, rounding: float = 0.0) -> Array:
        """A filled rectangle around (x, y) with rounded corners."""
        du = np.abs(self.u - np.float32(x)) - np.float32(width / 2 - rounding)
        dv = np.abs(self.v - np.float32(y)) - np.float32(height / 2 - rounding)
        outside = np.hypot(np.maximum(du, 0), np.maximum(dv, 0))
        return self.inside(
            (outside + np.minimum(np.maximum(du, dv), 0) - np.float32(rounding)).astype(np.float32)
        )

    def from_segment(self, start: Point, end: Point) -> Array:
        """Distance of every pixel from a straight line between two local points."""
        du, dv = end[0] - start[0], end[1] - start[1]
        u, v = self.u - np.float32(start[0]), self.v - np.float32(start[1])
        along = np.clip((u * du + v * dv) / np.float32(du * du + dv * dv + 1e-9), 0, 1)
        return np.hypot(u - along * np.float32(du), v - along * np.float32(dv)).astype(np.float32)

    def polygons(self, shapes: Sequence[Sequence[Point]]) -> Array:
        """Filled polygons, all in one field."""

        def draw(pen: ImageDraw.ImageDraw) -> None:
            for shape in shapes:
                pen.polygon([self._pixel(point) for point in shape], fill=255)

        return self.canvas.raster(draw)

    def strokes(self, paths: Sequence[Sequence[Point]], width: float) -> Array:
        """Lines through points with round ends, all in one field."""

        def draw(pen: ImageDraw.ImageDraw) -> None:
            thick = max(1, round(width * self._board_unit))
            for path in paths:
                pixels = [self._pixel(point) for point in path]
                pen.line(pixels, fill=255, width=thick, joint="curve")
                for px, py in (pixels[0], pixels[-1]):
                    half = thick / 2
                    pen.ellipse((px - half, py - half, px + half, py + half), fill=255)

        return self.canvas.raster(draw)

    def dots(self, spots: Sequence[tuple[float, float, float]]) -> Array:
        """Filled circles (x, y, radius), all in one field."""

        def draw(pen: ImageDraw.ImageDraw) -> None:
            for x, y, radius in spots:
                px, py = self._pixel((x, y))
                r = radius * self._board_unit
                pen.ellipse((px - r, py - r, px + r, py + r), fill=255)

        return self.canvas.raster(draw)

    @property
    def _board_unit(self) -> float:
        """Pixels of the drawing board per local unit."""
        return self.scale * self.canvas.unit * OVERSAMPLING

    def _pixel(self, point: Point) -> Point:
        x, y = self.place(point)
        left, top = self.canvas.corner
        return (x * self.canvas.unit - left) * OVERSAMPLING, (y * self.canvas.unit - top) * OVERSAMPLING
