"""Lift an image that was taken with too little light."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from mmad_rag.images import open_image, to_rgb
from mmad_rag.records import EncodedImage

if TYPE_CHECKING:
    from PIL.Image import Image

DARK_BELOW = 85.0
"""Levels of 255: an image is dark when the brightest channel of not even a hundredth of its pixels reaches
this. A third of the full scale is far below what a normally lit part shows, whatever its colour."""
_LIFTED_TO = 230.0
_BRIGHTEST = 99.0
"""Percentile; what lies above may be glints and dead pixels."""
_DARKEST_LIFTED = 4.0
"""Below this the image is as good as black, and lifting would show noise only."""
_LONGEST = 256


def lifted(image: EncodedImage) -> EncodedImage:
    """The image, or one with all levels multiplied by one factor when it is dark.

    An encoder that was trained on well-lit images takes a dark one for another product. A part of a dark
    colour on a brighter ground is left as it is, because the ground is bright.

    Returns:
        The same object when it is not dark; else a PNG with the digest and the name of the original.
    """
    pixels = to_rgb(image)
    factor = _factor(pixels)
    if factor is None:
        return image
    levels = np.clip(np.asarray(pixels, np.float32) * factor, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    _from_levels(levels).save(buffer, format="PNG", compress_level=1)
    changed = open_image(buffer.getvalue(), name=image.name)
    return EncodedImage(
        changed.data, changed.media_type, changed.width, changed.height, image.digest, image.name
    )


def _factor(pixels: Image) -> float | None:
    """What the levels are multiplied by; None for an image that is bright enough, or black."""
    small = pixels.copy()
    small.thumbnail((_LONGEST, _LONGEST))
    brightest = float(np.percentile(np.asarray(small).max(axis=2), _BRIGHTEST))
    if not _DARKEST_LIFTED <= brightest < DARK_BELOW:
        return None
    return _LIFTED_TO / brightest


def _from_levels(levels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Image:
    from PIL import Image as PilImage

    return PilImage.fromarray(levels)
