"""Measure what a folder of normal images shows of a product."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.errors import ImageError, InputError
from mmad_rag.folders import files_in
from mmad_rag.images import open_image, to_rgb

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""Suffixes of image files; other files in the folder are ignored."""
PLAIN_WITHIN = 16
"""Largest difference of corners, in levels of 255, that counts as one plain background."""

_CORNER = 16
_HUES = ("red", "orange", "yellow", "green", "green", "cyan", "blue", "blue", "purple", "pink", "red")
_GREYS = ((40, "black"), (100, "dark grey"), (170, "grey"), (225, "light grey"), (256, "white"))


@dataclass(frozen=True, slots=True)
class ImageSize:
    """Width and height of an image."""

    width: int
    """Width in pixels."""
    height: int
    """Height in pixels."""


@dataclass(frozen=True, slots=True)
class CornerColour:
    """The colour of the four corners of all images: usually the background."""

    red: int
    """Median of the red channel, 0 to 255."""
    green: int
    """Median of the green channel, 0 to 255."""
    blue: int
    """Median of the blue channel, 0 to 255."""
    spread: int
    """Largest difference of a corner of any image from the medians, 0 to 255, in its worst channel."""

    @property
    def name(self) -> str:
        """An everyday name of the colour."""
        hue, lightness, _ = colorsys.rgb_to_hls(self.red / 255, self.green / 255, self.blue / 255)
        if max(self.red, self.green, self.blue) - min(self.red, self.green, self.blue) < 24:
            return next(name for top, name in _GREYS if lightness * 255 < top)
        return _HUES[round(hue * 10)]


@dataclass(frozen=True, slots=True)
class NormalImages:
    """Images of normal pieces that were opened and checked."""

    paths: tuple[Path, ...]
    """Paths sorted by name, at least one; of files with the same bytes only the first."""
    sizes: tuple[ImageSize, ...]
    """Every size that occurs, smallest first."""
    corners: CornerColour
    """The corner colour of all images."""


def measure_images(folder: Path) -> NormalImages:
    """Open every image that lies directly in `folder`.

    Raises:
        ImageError: the folder is absent or holds no image, or an image cannot be read; the message names the
            folder or the image.
    """
    if not folder.is_dir():
        raise ImageError(f"there is no folder of images at {folder}; check the path")
    try:
        found = files_in(folder, IMAGE_SUFFIXES)
    except InputError as error:
        raise ImageError(str(error)) from error
    if not found:
        raise ImageError(
            f"no image lies directly in {folder}; give the folder that holds images of normal pieces"
        )
    kept: dict[str, Path] = {}
    sizes: set[ImageSize] = set()
    corners: list[npt.NDArray[np.float64]] = []
    for path in found:
        if not path.name.isprintable():
            raise ImageError(f"the name of the image {str(path)!r} cannot be written down; rename it")
        image = open_image(path)
        if image.digest not in kept:
            kept[image.digest] = path
            sizes.add(ImageSize(image.width, image.height))
            corners += _corner_medians(to_rgb(image))
    ordered = tuple(sorted(sizes, key=lambda size: (size.width, size.height)))
    return NormalImages(tuple(kept.values()), ordered, _corner_colour(corners))


def _corner_medians(pixels: object) -> list[npt.NDArray[np.float64]]:
    """The median colour, shape (3,), of a square in each corner; its side is a 16th of the shorter side."""
    import numpy as np

    pixels = np.asarray(pixels)
    side = max(1, min(pixels.shape[:2]) // _CORNER)
    near, far = slice(None, side), slice(-side, None)
    return [np.median(pixels[rows, columns], axis=(0, 1)) for rows in (near, far) for columns in (near, far)]


def _corner_colour(medians: Sequence[npt.NDArray[np.float64]]) -> CornerColour:
    import numpy as np

    corners = np.stack(medians)
    middle = np.median(corners, axis=0)
    spread = int(np.ceil(np.abs(corners - middle).max()))
    red, green, blue = (round(float(level)) for level in middle)
    return CornerColour(red, green, blue, spread)
