"""Brighten an image that was taken with too little light."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from mmad_rag.images import of_pixels, to_rgb
from mmad_rag.records import EncodedImage

if TYPE_CHECKING:
    from PIL.Image import Image

DARK_BELOW = 85.0
"""Level of 255: an image is dark if fewer than a hundredth of its pixels reach this level in their brightest
channel. A third of the full scale is far below what a normally lit part shows, whatever its colour."""
_LIFTED_TO = 230.0
_BRIGHTEST = 99.0
"""Percentile of the brightest level; pixels above may be glints and dead pixels."""
_DARKEST_LIFTED = 4.0
"""Level below which the image is practically black, and lifting would only show noise."""
_LONGEST = 256


def lifted(image: EncodedImage) -> EncodedImage:
    """The image, or, if it is dark, a copy with all levels multiplied by one factor.

    An encoder that was trained on well-lit images mistakes a dark one for another product. An image of a dark
    part on a brighter ground stays as it is, because the ground is bright.

    Returns:
        The same object if it is not dark; otherwise a PNG with the digest and the name of the original.
    """
    pixels = to_rgb(image)
    factor = _factor(pixels)
    if factor is None:
        return image
    levels = np.clip(np.asarray(pixels, np.float32) * factor, 0, 255).astype(np.uint8)
    return dataclasses.replace(of_pixels(_from_levels(levels), name=image.name), digest=image.digest)


def _factor(pixels: Image) -> float | None:
    """The factor for the levels; None for an image that is bright enough, or black."""
    small = pixels.copy()
    small.thumbnail((_LONGEST, _LONGEST))
    brightest = float(np.percentile(np.asarray(small).max(axis=2), _BRIGHTEST))
    if not _DARKEST_LIFTED <= brightest < DARK_BELOW:
        return None
    return _LIFTED_TO / brightest


def _from_levels(levels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image:
    from PIL import Image as PilImage

    return PilImage.fromarray(levels)
