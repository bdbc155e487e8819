"""Read the encoded bytes of an image from a path, a data URL, a Pillow image or an array."""

from __future__ import annotations

import base64
import binascii
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmad_rag.errors import ImageError
from mmad_rag.images.data_urls import is_data_url
from mmad_rag.images.decode import refusing
from mmad_rag.images.depth import deep_grey, is_deep
from mmad_rag.images.formats import format_of
from mmad_rag.images.plain import PlainFile
from mmad_rag.images.settle import turned
from mmad_rag.images.tags import orientation_of

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

Source: TypeAlias = "Path | str | bytes | Image | npt.NDArray[np.uint8]"
"""A path, encoded bytes, `data:` URL, Pillow image, or uint8 array of shape (h, w[, 3 or 4])."""

_WEB = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{32}")
_LONGEST_NAME = 120
"""Characters of a path that a message shows."""


def read_source(source: Source, *, most: int) -> tuple[bytes, str]:
    """The encoded bytes of any source, with a name for messages.

    Args:
        source: The image.
        most: Largest number of bytes of a file.

    Raises:
        ImageError: there is no such file, it is too large, or the source is of another kind.
    """
    if isinstance(source, bytes):
        return source, "<bytes>"
    if isinstance(source, str) and is_data_url(source):
        return _read_data_url(source), "<data URL>"
    if isinstance(source, str) and _WEB.match(source):
        raise ImageError(
            f"the image at {source[:200]!r} is not fetched; give its bytes, a path or a data URL"
        )
    if isinstance(source, str | Path):
        return _read_file(source, most), _shown(source)
    return _encode_pixels(source)


def _shown(path: Path | str) -> str:
    """A path as messages show it: both ends of a long one."""
    text = str(path)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 44]}...{text[-40:]}"


def _read_data_url(url: str) -> bytes:
    head, comma, payload = url.partition(",")
    if not (comma and head.lower().endswith(";base64")):
        raise ImageError(
            f"the data URL {head[:60]!r} does not say that it holds base64; "
            'write it as "data:image/png;base64,..."'
        )
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError(
            f"the data URL does not hold valid base64 ({error}); encode the image again"
        ) from error


def _read_file(source: Path | str, most: int) -> bytes:
    path = Path(source)
    try:
        if path.stat().st_size > most:
            raise _file_too_large(path, most)
        with path.open("rb") as file:
            data = file.read(most + 1)  # a device or a pipe states no size
        if len(data) > most:
            raise _file_too_large(path, most)
        return data
    except (OSError, ValueError) as error:
        if _is_base64(str(source)):
            raise ImageError(
                f"the text {str(source)[:20]!r}... is an image in base64 and not a path; "
                'write it as a data URL, "data:image/png;base64,..."'
            ) from None
        if isinstance(error, FileNotFoundError):
            raise ImageError(f"there is no image at {_shown(path)}; check the path") from None
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ImageError(
            f"the image {_shown(path)} cannot be read ({reason}); check the path and its permissions"
        ) from error


def _file_too_large(path: Path, most: int) -> ImageError:
    return ImageError(f"the image {_shown(path)} is larger than {most:,} bytes; scale it down")


def _is_base64(text: str) -> bool:
    """Whether a text begins like the base64 of an image."""
    start = text.lstrip()[:32]
    if not _BASE64.fullmatch(start):
        return False
    return format_of(base64.urlsafe_b64decode(start.replace("+", "-").replace("/", "_"))) is not None


def _encode_pixels(source: Image | npt.NDArray[np.uint8]) -> tuple[bytes, str]:
    """PNG bytes of a Pillow image or an array."""
    import numpy as np
    from PIL import Image as PilImage

    if isinstance(source, np.ndarray):
        good_shape = source.ndim == 2 or (source.ndim == 3 and source.shape[2] in (3, 4))
        if source.dtype != np.uint8 or not good_shape or source.size == 0:
            raise ImageError(
                f"an array of shape {source.shape} and type {source.dtype} is not an image; "
                "give uint8 of shape (h, w), (h, w, 3) or (h, w, 4)"
            )
        pixels, name = PilImage.fromarray(source), "<array>"
    elif isinstance(source, PilImage.Image):
        name = "<Pillow image>"
        with refusing(name):
            pixels = _pixels_of(source)
    else:
        raise ImageError(
            f"a {type(source).__name__} is not an image; give a path, bytes, a Pillow image or an array"
        )
    buffer = io.BytesIO()
    with refusing(name):
        try:
            pixels.save(buffer, format="PNG")
        except Exception:  # info may hold a profile or a transparency that cannot be written
            buffer = io.BytesIO()
            bare = pixels.copy()
            bare.info = {}
            bare.save(buffer, format="PNG")
    return buffer.getvalue(), name


def _pixels_of(source: Image) -> Image:
    """The pixels of a Pillow image in a mode that PNG has, turned if it is the file itself and says so."""
    from PIL import ImageFile

    pixels = source
    if isinstance(source, ImageFile.ImageFile):
        if source.format == "EPS" and source.tile:
            raise ImageError("an EPS file is a program and is not run; save the image as PNG")
        source.load()
        exif, xmp = (source.info.get(name) for name in ("exif", "xmp"))
        pixels = turned(
            source,
            orientation_of(exif if isinstance(exif, bytes) else b"", xmp if isinstance(xmp, bytes) else b""),
        )
    if is_deep(pixels.mode):
        return deep_grey(pixels, PlainFile(b""))
    if pixels.mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        return pixels
    if pixels.mode == "La":
        return pixels.convert("LA").convert("RGBA")
    return pixels.convert("RGBA" if pixels.mode in ("PA", "RGBa") else "RGB")
