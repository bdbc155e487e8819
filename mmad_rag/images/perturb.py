"""Change an image the way a camera, a light or a codec may.

One strength each, so that a figure under a change means the same everywhere. Every change takes and gives an
8-bit RGB Pillow image, depends on nothing but the image and the seed, and leaves the image that it was given
untouched.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.errors import ImageError, InputError
from mmad_rag.images import to_rgb
from mmad_rag.records import EncodedImage, MediaType

if TYPE_CHECKING:
    from PIL.Image import Image

Change: TypeAlias = "Callable[[Image, int], Image]"
"""(8-bit RGB image, seed) -> another image of that kind."""

CHANGES_VERSION = "1"
"""Raised whenever the same image and seed give other pixels: vectors of changed images are kept by it."""

UNCHANGED = "none"
BLUR_SIGMA = 6.0
"""Standard deviation in pixels of an image whose long side is `BLUR_AT`; it grows with the long side, so
that the same detail is lost at any size."""
BLUR_AT = 512
BRIGHTNESS = 0.3
NOISE_SIGMA = 40.0
"""In grey levels of 255, per pixel and channel at the image's own size, as a sensor adds it."""
JPEG_QUALITY = 5
CAST = (1.3, 1.0, 0.7)
"""Gains of a coloured light; the seed says which channel gets which."""


def _unchanged(pixels: Image, _seed: int) -> Image:
    return pixels.copy()


def turned(pixels: Image, degrees: float) -> Image:
    """Counter-clockwise about the centre, same size; what comes into view repeats the nearest edge pixel.

    An edge that goes on is what a background does; a fill of one colour would draw triangles on textures.
    """
    from PIL import Image as PilImage

    width, height = pixels.size
    angle = math.radians(degrees)
    reach_x = abs(width / 2 * math.cos(angle)) + abs(height / 2 * math.sin(angle))
    reach_y = abs(width / 2 * math.sin(angle)) + abs(height / 2 * math.cos(angle))
    pad_x = max(0, math.ceil(reach_x - width / 2)) + 2
    pad_y = max(0, math.ceil(reach_y - height / 2)) + 2
    padded = np.pad(np.asarray(pixels), ((pad_y, pad_y), (pad_x, pad_x), (0, 0)), mode="edge")
    whole = PilImage.fromarray(padded).rotate(degrees, PilImage.Resampling.BICUBIC)
    return whole.crop((pad_x, pad_y, pad_x + width, pad_y + height))


def blurred(pixels: Image, sigma: float) -> Image:
    """Gaussian blur; `sigma` in pixels of an image whose long side is `BLUR_AT`."""
    from PIL import ImageFilter

    return pixels.filter(ImageFilter.GaussianBlur(sigma * max(pixels.size) / BLUR_AT))


def middle(pixels: Image, share: float) -> Image:
    """The middle of the width and of the height, `share` of each; at least one pixel."""
    width, height = (max(1, int(side * share + 1e-9)) for side in pixels.size)
    left, top = (pixels.width - width) // 2, (pixels.height - height) // 2
    return pixels.crop((left, top, left + width, top + height))


def as_jpeg(pixels: Image, quality: int) -> Image:
    """What a JPEG of that quality shows.

    Raises:
        ImageError: the image is too large for a JPEG.
    """
    from PIL import Image as PilImage

    buffer = io.BytesIO()
    try:
        pixels.save(buffer, format="JPEG", quality=quality)
    except (OSError, ValueError) as error:
        raise ImageError(
            f"an image of {pixels.width} x {pixels.height} pixels cannot be a JPEG ({error}); scale it down"
        ) from error
    buffer.seek(0)
    return PilImage.open(buffer).convert("RGB")


def _rotated_30(pixels: Image, _seed: int) -> Image:
    return turned(pixels, 30)


def _rotated_90(pixels: Image, _seed: int) -> Image:
    """Counter-clockwise, exact: no pixel is interpolated."""
    from PIL import Image as PilImage

    return pixels.transpose(PilImage.Transpose.ROTATE_90)


def _darker(pixels: Image, _seed: int) -> Image:
    return _from_levels(np.asarray(pixels, np.float32) * BRIGHTNESS)


def _blurred(pixels: Image, _seed: int) -> Image:
    return blurred(pixels, BLUR_SIGMA)


def _cropped(pixels: Image, _seed: int) -> Image:
    """The middle half of the width and of the height, a quarter of the area."""
    return middle(pixels, 0.5)


def _grey(pixels: Image, _seed: int) -> Image:
    """Luma of ITU-R BT.601 in all three channels."""
    return pixels.convert("L").convert("RGB")


def _cast(pixels: Image, seed: int) -> Image:
    gains = np.random.default_rng(seed).permutation(np.asarray(CAST, np.float32))
    return _from_levels(np.asarray(pixels, np.float32) * gains)


def _jpeg(pixels: Image, _seed: int) -> Image:
    return as_jpeg(pixels, JPEG_QUALITY)


def _noisy(pixels: Image, seed: int) -> Image:
    levels = np.asarray(pixels, np.float32)
    noise = np.random.default_rng(seed).standard_normal(levels.shape, dtype=np.float32)
    return _from_levels(levels + NOISE_SIGMA * noise)


CHANGES: Mapping[str, Change] = {
    UNCHANGED: _unchanged,
    "rotation_30": _rotated_30,
    "rotation_90": _rotated_90,
    "brightness": _darker,
    "blur": _blurred,
    "crop": _cropped,
    "greyscale": _grey,
    "colour_cast": _cast,
    "jpeg": _jpeg,
    "noise": _noisy,
}
"""Every change by its name: none, rotation by 30 and 90 degrees, brightness x 0.3, Gaussian blur of sigma
6 px at 512 px, centre crop to half of each side, greyscale, colour cast, JPEG quality 5, Gaussian noise of
sigma 40."""


def change_named(name: str) -> Change:
    """The change of that name.

    Raises:
        InputError: there is none; the message lists those there are.
    """
    if name not in CHANGES:
        raise InputError(f"there is no change {name!r} of an image; give one of {', '.join(CHANGES)}")
    return CHANGES[name]


def changed(image: EncodedImage, name: str, *, seed: int = 0) -> EncodedImage:
    """The changed image as PNG, with the digest and the name of the image that it was made from.

    The digest stays, because a changed image is still the same image when one asks whether it is a
    reference: whoever keeps vectors must keep them by digest and change. `none` gives the image itself.
    Where a seed matters (`colour_cast`, `noise`) it is mixed with the digest, so that each image gets its
    own noise and always the same.

    Raises:
        InputError: there is no such change.
        ImageError: the image cannot be decoded or changed.
    """
    change = change_named(name)
    if name == UNCHANGED:
        return image
    pixels = change(to_rgb(image), seed ^ int(image.digest[:8], 16))
    buffer = io.BytesIO()
    pixels.save(buffer, format="PNG", compress_level=0)
    return EncodedImage(
        buffer.getvalue(), MediaType.PNG, pixels.width, pixels.height, image.digest, image.name
    )


def _from_levels(levels: npt.NDArray[np.float32]) -> Image:
    """Grey levels of any range, rounded and cut to 0..255, as an image."""
    from PIL import Image as PilImage

    return PilImage.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
