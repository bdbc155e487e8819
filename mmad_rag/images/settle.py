"""Settle depth, transparency and orientation of an image, so that every receiver shows the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.images.decode import Decoded
from mmad_rag.images.depth import band_rows, eight_bit

if TYPE_CHECKING:
    from PIL.Image import Image

_PLAIN = ("1", "L", "P", "RGB")
_WITH_ALPHA = ("LA", "PA", "La", "RGBA", "RGBa")


def settled(image: Decoded) -> tuple[Image, bool]:
    """The upright image without transparency, and whether its file shows it as it is.

    The mode is `1`, `L`, `P` or `RGB`, or, if no pixel is transparent, that of the file. Receivers differ in
    what they do with 16 bits, with transparency, with EXIF's orientation and with CMYK: a file that has one
    of these shows a different image to each.

    Returns:
        The pixels, and True if the file itself may be sent.
    """
    deep = eight_bit(image)
    opaque = without_alpha(deep)
    colours = opaque if opaque.mode in (*_PLAIN, *_WITH_ALPHA) else opaque.convert("RGB")
    upright = turned(colours, image.file.orientation)
    return upright, upright is image.pixels


def turned(pixels: Image, orientation: int) -> Image:
    """The image that EXIF's orientation, 1 (upright) to 8, asks for; the same object if it is upright."""
    from PIL.Image import Transpose

    methods = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    method = methods.get(orientation)
    return pixels if method is None else pixels.transpose(method)


def without_alpha(pixels: Image) -> Image:
    """The image laid over white; the same object if no pixel is transparent.

    An alpha channel of zeros is ignored: no camera means it, and the image below is whole.
    """
    from PIL import Image as PilImage

    if pixels.mode not in _WITH_ALPHA and "transparency" not in pixels.info:
        return pixels
    whole = _rgba(pixels)
    lowest, highest = whole.getchannel("A").getextrema()
    if lowest == 255:
        return pixels
    if highest == 0:
        return _unhidden(pixels, whole)
    result = PilImage.new("RGB", whole.size)
    for top, end in band_rows(whole):
        band = whole.crop((0, top, whole.width, end))
        ground = PilImage.new("RGBA", band.size, "white")
        result.paste(PilImage.alpha_composite(ground, band).convert("RGB"), (0, top))
    return result


def _rgba(pixels: Image) -> Image:
    if pixels.mode == "La":
        return pixels.convert("LA").convert("RGBA")
    return pixels if pixels.mode == "RGBA" else pixels.convert("RGBA")


def _unhidden(pixels: Image, whole: Image) -> Image:
    """The colours below an alpha channel of zeros."""
    from PIL import Image as PilImage

    if pixels.mode in ("LA", "La"):
        return pixels.getchannel(0)
    return PilImage.merge("RGB", pixels.split()[:3]) if pixels.mode == "RGBa" else whole.convert("RGB")
