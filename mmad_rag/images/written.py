"""Write an image anew that cannot be sent as it is, in the format that it came in."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from mmad_rag.images.decode import Decoded
from mmad_rag.images.formats import Format
from mmad_rag.records import MediaType

if TYPE_CHECKING:
    from PIL.Image import Image

_QUALITY = 95
"""The quality of a JPEG or WebP whose own settings cannot be used again."""
_SWAPPED = (5, 6, 7, 8)
"""The orientations that swap width and height."""
_FROM_RIGHT, _FROM_BOTTOM = (2, 3, 7, 8), (3, 4, 6, 7)
"""The orientations whose rows or columns start at the right or at the bottom edge of the stored image."""
_BLOCK = 8


def written_again(pixels: Image, image: Decoded) -> tuple[bytes, MediaType]:
    """The bytes of settled pixels, without metadata, and their media type.

    A photograph as PNG would be several times as large, so JPEG stays JPEG, and WebP stays WebP. Every other
    format becomes PNG.

    Args:
        pixels: The settled pixels.
        image: The file that they come from.
    """
    bare = pixels.copy()
    bare.info = {}
    if image.found is Format.JPEG:
        for options in _jpeg_options(bare, image):
            data = _saved(bare, "JPEG", options)
            if data is not None:
                return data, MediaType.JPEG
    if image.found is Format.WEBP:
        lossless = b"VP8L" in image.data[12:64]
        data = _saved(bare, "WEBP", {"lossless": True} if lossless else {"quality": _QUALITY})
        if data is not None:
            return data, MediaType.WEBP
    buffer = io.BytesIO()
    bare.save(buffer, format="PNG")
    return buffer.getvalue(), MediaType.PNG


def _saved(pixels: Image, form: str, options: dict[str, Any]) -> bytes | None:
    """The encoded pixels; None if the format cannot hold them."""
    buffer = io.BytesIO()
    try:
        pixels.save(buffer, format=form, **options)
    except (ValueError, OSError):
        return None
    return buffer.getvalue()


def _jpeg_options(pixels: Image, image: Decoded) -> list[dict[str, Any]]:
    """Options to write a JPEG, the best first.

    A turned image has its blocks of 8 or 16 pixels where the stored image had them, unless an edge that cuts
    blocks comes first now. Quantised as in the file, with the table turned too, they then keep their
    coefficients but for rounding: the result is nearer to the file, and smaller, than with any higher
    quality. Shifted blocks would lose as much again as in the first encoding, and get a high quality.
    """
    high: dict[str, Any] = {"quality": _QUALITY, "subsampling": 0}
    source: Any = image.pixels
    sampling = _sampling(source)
    if source.mode != pixels.mode or sampling is None:
        return [high]
    step, orientation = _BLOCK * (2 if sampling == 2 else 1), image.file.orientation
    shifted_x = orientation in _FROM_RIGHT and source.width % step
    shifted_y = orientation in _FROM_BOTTOM and source.height % step
    if shifted_x or shifted_y:
        return [high]
    tables = source.quantization
    if orientation in _SWAPPED:
        tables = {
            number: [table[_BLOCK * column + row] for row in range(_BLOCK) for column in range(_BLOCK)]
            for number, table in tables.items()
        }
    return [{"qtables": tables, "subsampling": sampling}, high]


def _sampling(source: Any) -> int | None:  # noqa: ANN401 - Pillow's JPEG file, whose attributes are not typed
    """Pillow's number of a colour sampling that is the same in both directions: 4:4:4 or 4:2:0."""
    from PIL import JpegImagePlugin

    if source.mode == "L":
        return 0
    found = JpegImagePlugin.get_sampling(source)
    return found if found in (0, 2) else None
