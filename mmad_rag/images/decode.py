"""Decode the first frame of an image file with no decoder but that of its format."""

from __future__ import annotations

import importlib
import io
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mmad_rag.errors import ImageError
from mmad_rag.images.formats import Format, format_of
from mmad_rag.images.plain import PlainFile, plain_file
from mmad_rag.images.tags import ORIENTATION

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

_PNG_END = b"IEND\xaeB`\x82"
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
_LONGEST_REASON = 200
_PLUGINS = {
    Format.PNG: "Png",
    Format.JPEG: "Jpeg",
    Format.WEBP: "WebP",
    Format.GIF: "Gif",
    Format.BMP: "Bmp",
    Format.TIFF: "Tiff",
}
"""Format -> the first word of Pillow's module for it."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The pixels of a file as they are stored: not turned, with any depth and transparency."""

    pixels: Image
    """The decoded image; its mode may be any of Pillow's. Of colours with 16 bits it has the high bytes."""
    low: Image | None
    """The low bytes of colours with 16 bits, in the mode of `pixels`; None for any other image."""
    found: Format
    """The file's format."""
    data: bytes
    """The bytes that were decoded: those of the file, without metadata if these cannot be read."""
    file: PlainFile
    """The file without metadata, and what they say of the pixels."""


@contextmanager
def refusing(name: str) -> Iterator[None]:
    """Turn every error of a decoder or encoder into an ImageError about the image of this name."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # Pillow's decoders raise almost any error on broken input
        if type(error).__name__ == "DecompressionBombError":
            raise ImageError(f"the image {name} has too many pixels; scale it down") from None
        if type(error).__name__ == "UnidentifiedImageError":  # its message names an object in memory
            reason = "its header is damaged"
        else:
            reason = _ADDRESS.sub("", str(error)) or type(error).__name__
        raise ImageError(
            f"the image {name} cannot be read ({reason[:_LONGEST_REASON]}); it may be truncated or no image"
        ) from error


def decoded(data: bytes, name: str, *, most: int) -> Decoded:
    """Decode the first frame completely, so that truncated files are found here.

    Args:
        data: The bytes of an image file.
        name: The image's name, for messages.
        most: Largest number of pixels; a larger image is refused by its header.

    Raises:
        ImageError: the bytes are not a whole image of a known format, or have too many pixels.
    """
    found = format_of(data)
    if found is None:
        raise ImageError(
            f"the image {name} cannot be read (it is not an image of a known format); replace the file"
        )
    with refusing(name):
        file = plain_file(data, found)
        opened = _opened(file.data, found)
        if opened.width * opened.height > most:
            raise ImageError(
                f"the image {name} has {opened.width}x{opened.height} pixels, "
                f"more than {most:,}; scale it down"
            )
        if found is Format.PNG and _PNG_END not in data:
            raise ValueError("its end is missing")
        if found is not Format.TIFF:  # which is never sent, so that only its pixels matter
            with suppress(Exception):  # receivers would fail in the same way, and are sent the plain file
                whole = _opened(data, found)
                loaded = _loaded(whole, data, file, found)
                with _silenced():
                    stated = whole.getexif().get(ORIENTATION)  # in files too damaged for our own reading
                if stated is not None and stated in range(2, 9):
                    file = replace(file, orientation=int(stated))
                return Decoded(*loaded, found, data, file)
        return Decoded(*_loaded(opened, file.data, file, found), found, file.data, file)


def pixels_stated(data: bytes) -> int:
    """The number of pixels by the header of an image file alone; 0 if it cannot be read.

    A header that states more than Pillow's own limit counts as that limit at least.
    """
    from PIL import Image as PilImage

    found = format_of(data)
    if found is None:
        return 0
    try:
        opened = _opened(plain_file(data, found).data, found)
    except PilImage.DecompressionBombError:
        return 2 * (PilImage.MAX_IMAGE_PIXELS or 0)
    except Exception:  # Pillow's plug-ins raise many kinds of errors on damaged headers
        return 0
    return opened.width * opened.height


def _opened(data: bytes, found: Format) -> ImageFile:
    """Read the header with the decoder of this format only: some of Pillow's decoders start processes."""
    from PIL import Image as PilImage

    importlib.import_module(f"PIL.{_PLUGINS[found]}ImagePlugin")  # or else Pillow would import all of them
    with _silenced():
        return PilImage.open(io.BytesIO(data), formats=[found.value])


@contextmanager
def _silenced() -> Iterator[None]:
    """Silence Pillow's warnings: our own limit of pixels decides, and damaged metadata are not used."""
    from PIL.Image import DecompressionBombWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DecompressionBombWarning)
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _loaded(opened: ImageFile, data: bytes, file: PlainFile, found: Format) -> tuple[Image, Image | None]:
    """The decoded pixels and, for colours with 16 bits, their low bytes, which Pillow itself drops.

    The decoder is told to read the bytes in the other order, and then takes the low byte for the high one.
    """
    from PIL import Image as PilImage

    tiles = list(opened.tile)
    raw_modes = [_raw_mode(tile.args) for tile in tiles]
    if not file.order16 or opened.mode not in ("RGB", "RGBA") or not all(map(_has_low_bytes, raw_modes)):
        opened.load()
        return opened, None
    if raw_modes == ["LA;16B"]:
        opened.tile = [_with_raw_mode(tiles[0], "RGBA")]  # four bytes a pixel: two for grey, two for alpha
        grey, low_grey, alpha, low_alpha = opened.split()
        return PilImage.merge("LA", (grey, alpha)), PilImage.merge("LA", (low_grey, low_alpha))
    order, other = (file.order16, "L" if file.order16 == "B" else "B")
    if raw_modes[0].endswith("N"):  # libtiff brings the bytes into the order of this machine
        order, other = ("L", "B") if sys.byteorder == "little" else ("B", "L")
    low = _opened(data, found)
    for image, wanted in ((opened, order), (low, other)):
        image.tile = [
            _with_raw_mode(tile, f"{raw.partition(';')[0]};16{wanted}")
            for tile, raw in zip(tiles, raw_modes, strict=True)
        ]
        image.load()
    return opened, low


def _raw_mode(args: Any) -> str:  # noqa: ANN401 - each decoder has its own arguments
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:  # noqa: ANN401 - a class inside Pillow
    args = (raw_mode, *tile.args[1:]) if isinstance(tile.args, tuple) else raw_mode
    return tile._replace(args=args)


def _has_low_bytes(raw_mode: str) -> bool:
    """Whether the layout is one of 16-bit colours; a single letter is a plane of its own."""
    return raw_mode in ("LA;16B", "R", "G", "B", "A") or raw_mode.startswith(("RGB;16", "RGBA;16", "RGBX;16"))
