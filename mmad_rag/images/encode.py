"""Encode an image again, smaller or in another format."""

from __future__ import annotations

import dataclasses
import io
import math
from types import MappingProxyType

from mmad_rag.errors import ImageError
from mmad_rag.images import to_rgb
from mmad_rag.records import EncodedImage, MediaType

FORMATS = MappingProxyType({MediaType.PNG: "PNG", MediaType.JPEG: "JPEG", MediaType.WEBP: "WEBP"})
"""Formats that images are encoded in -> their name in Pillow."""
_QUALITY = 95


def scaled_down(image: EncodedImage, longest: int) -> EncodedImage:
    """The image with no side longer than `longest` pixels; one that is small enough stays as it is.

    Its media type is that of the new bytes: JPEG and WebP stay what they are, the others become PNG, which
    loses nothing. Its digest stays that of the bytes on disk, which is what an image is known by: a
    reference that is the query itself must be found out at any size.

    Args:
        image: Of any size.
        longest: Pixels, at least 1.
    """
    return reencoded(image, longest=longest, media_type=None, quality=_QUALITY)


def size_within(width: int, height: int, longest: int | None) -> tuple[int, int]:
    """Width and height of an image of this size that is scaled down to a longest side; all in pixels.

    Example:
        >>> size_within(1000, 500, 200), size_within(100, 50, 200)
        ((200, 100), (100, 50))
    """
    ratio = min(1.0, math.inf if longest is None else longest / max(width, height))
    return max(1, round(width * ratio)), max(1, round(height * ratio))


def reencoded(
    image: EncodedImage, *, longest: int | None, media_type: MediaType | None, quality: int
) -> EncodedImage:
    """The image at most so large, in this format; its own bytes where they are that already.

    Args:
        image: Of any size and format.
        longest: Pixels of the longer side, at least 1; None keeps the size. Nothing is ever scaled up.
        media_type: One of `FORMATS`; None keeps JPEG and WebP, and makes PNG of the others where the
            image is scaled.
        quality: Of JPEG and WebP, 1 to 100.

    Raises:
        ImageError: the image is larger than the format can hold.
    """
    small_enough = longest is None or max(image.width, image.height) <= longest
    if small_enough and media_type in (None, image.media_type):
        return image
    from PIL.Image import Resampling

    pixels = to_rgb(image)
    size = size_within(image.width, image.height, longest)
    if size != pixels.size:
        pixels = pixels.resize(size, Resampling.LANCZOS)
    kept = image.media_type if image.media_type in FORMATS else MediaType.PNG
    new_type = media_type if media_type is not None else kept
    buffer = io.BytesIO()
    try:
        pixels.save(buffer, format=FORMATS[new_type], quality=quality)
    except (ValueError, OSError) as error:  # WebP holds 16,383 pixels a side, JPEG 65,500
        raise ImageError(
            f"the image {image.name} of {pixels.width}x{pixels.height} pixels cannot be written as "
            f"{new_type.value} ({error}); scale it down (image_size), or choose another format"
        ) from None
    return dataclasses.replace(
        image, data=buffer.getvalue(), media_type=new_type, width=pixels.width, height=pixels.height
    )
