"""Open and check images."""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mmad_rag.errors import ImageError
from mmad_rag.images.data_urls import is_data_url
from mmad_rag.records import EncodedImage, MediaType

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

ImageSource: TypeAlias = "EncodedImage | Path | str | bytes | Image | npt.NDArray[np.uint8]"
"""An image, path, encoded bytes, `data:` URL, Pillow image, or uint8 array of shape (h, w[, 3 or 4])."""

MAX_PIXELS = 100_000_000
"""Largest number of pixels; a larger image is refused before decoding (a decompression bomb has a few
kilobytes)."""
MAX_BYTES = 64 * 1024 * 1024
"""Largest number of bytes; a larger file is refused before it is read."""

_FORMATS = {"PNG": MediaType.PNG, "JPEG": MediaType.JPEG, "WEBP": MediaType.WEBP, "GIF": MediaType.GIF}
_EXIF_ORIENTATION = 0x0112
_PNG_END = b"IEND\xaeB`\x82"
_WEB = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def open_image(source: ImageSource, *, name: str | None = None) -> EncodedImage:
    """Open an image, decode it once to check that it is whole, and keep its bytes.

    PNG, JPEG, WebP and GIF bytes are kept as they are; other formats, and images that EXIF says to
    rotate, are re-encoded upright as PNG. The digest is always that of the bytes that were handed in.

    Raises:
        ImageError: the image is missing, empty, unreadable, truncated, or larger than `MAX_BYTES` or
            `MAX_PIXELS`.

    Example:
        >>> open_image(b"not an image")
        Traceback (most recent call last):
        mmad_rag.errors.ImageError: the image <bytes> cannot be read ...
    """
    if isinstance(source, EncodedImage):
        return source
    data, found_name = _read(source)
    name = name or found_name
    if not data:
        raise ImageError(f"the image {name} is empty; replace the file")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the image {name} has {len(data):,} bytes, more than {MAX_BYTES:,}; scale it down")
    pixels = _decode(data, name)
    upright = pixels.getexif().get(_EXIF_ORIENTATION, 1) in (1, None)
    media_type = _FORMATS.get(pixels.format or "")
    digest = hashlib.sha256(data).hexdigest()
    if media_type is None or not upright:
        pixels = _upright(pixels)
        buffer = io.BytesIO()
        _eight_bit(pixels).save(buffer, format="PNG")
        data, media_type = buffer.getvalue(), MediaType.PNG
    return EncodedImage(data, media_type, pixels.width, pixels.height, digest, name)


def to_rgb(image: EncodedImage) -> Image:
    """Decode to an upright 8-bit RGB Pillow image: transparency laid over white, 16 bits scaled to 8."""
    from PIL import Image as PilImage

    pixels = _eight_bit(_decode(image.data, image.name))
    if pixels.mode in ("RGBA", "LA", "PA") or "transparency" in pixels.info:
        pixels = pixels.convert("RGBA")
        ground = PilImage.new("RGBA", pixels.size, "white")
        pixels = PilImage.alpha_composite(ground, pixels)
    return pixels.convert("RGB")


def data_url(image: EncodedImage) -> str:
    """The image's bytes as a `data:` URL with their true media type."""
    return f"data:{image.media_type.value};base64,{base64.b64encode(image.data).decode('ascii')}"


def _read(source: Path | str | bytes | Image | npt.NDArray[np.uint8]) -> tuple[bytes, str]:
    """The encoded bytes of any source, with a name for messages."""
    if isinstance(source, bytes):
        return source, "<bytes>"
    if isinstance(source, str) and is_data_url(source):
        return _read_data_url(source), "<data URL>"
    if isinstance(source, str) and _WEB.match(source):
        raise ImageError(
            f"the image at {source[:200]!r} is not fetched; give its bytes, a path or a data URL"
        )
    if isinstance(source, str | Path):
        return _read_file(Path(source)), str(source)
    return _encode_pixels(source)


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


def _read_file(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ImageError(f"the image {path} is larger than {MAX_BYTES:,} bytes; scale it down")
        return path.read_bytes()
    except FileNotFoundError:
        raise ImageError(f"there is no image at {path}; check the path") from None
    except (OSError, ValueError) as error:
        raise ImageError(
            f"the image {path} cannot be read ({error}); check the path and its permissions"
        ) from error


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
        pixels, name = source, "<Pillow image>"
    else:
        raise ImageError(
            f"a {type(source).__name__} is not an image; give a path, bytes, a Pillow image or an array"
        )
    buffer = io.BytesIO()
    _eight_bit(pixels).save(buffer, format="PNG")
    return buffer.getvalue(), name


def _decode(data: bytes, name: str) -> Image:
    """Decode the first frame completely, so that truncated files are found here."""
    from PIL import Image as PilImage
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PilImage.DecompressionBombWarning)  # MAX_PIXELS decides
            pixels = PilImage.open(io.BytesIO(data))
            if pixels.width * pixels.height > MAX_PIXELS:
                raise ImageError(
                    f"the image {name} has {pixels.width}x{pixels.height} pixels, "
                    f"more than {MAX_PIXELS:,}; scale it down"
                )
            pixels.load()
        if pixels.format == "PNG" and _PNG_END not in data:
            raise ValueError("its end is missing")
    except ImageError:
        raise
    except (PilImage.DecompressionBombWarning, PilImage.DecompressionBombError):
        raise ImageError(f"the image {name} has more than {MAX_PIXELS:,} pixels; scale it down") from None
    except UnidentifiedImageError:  # Pillow's message names an object in memory, not the file
        raise ImageError(
            f"the image {name} cannot be read (it is not an image of a known format); replace the file"
        ) from None
    except Exception as error:  # Pillow's decoders raise almost any error on broken input
        reason = _ADDRESS.sub("", str(error)) or type(error).__name__
        raise ImageError(
            f"the image {name} cannot be read ({reason}); it may be truncated or no image"
        ) from error
    return pixels


def _upright(pixels: Image) -> Image:
    from PIL import ImageOps

    return ImageOps.exif_transpose(pixels)


def _full_scale(mode: str, largest: float) -> float:
    """The level that means white: 16 bits, or 8 bits or 1 if a wider mode holds no larger value."""
    if mode == "F" and largest <= 1.0:
        return 1.0
    if mode in ("F", "I") and largest <= 255.0:
        return 255.0
    return 65535.0


def _eight_bit(pixels: Image) -> Image:
    """Scale 16-bit and floating-point greys to 8 bits; turn other rare modes into RGB."""
    from PIL import Image as PilImage

    if pixels.mode.startswith("I;16") or pixels.mode in ("I", "F"):
        import numpy as np

        grey = np.asarray(pixels, dtype=np.float64)
        top = _full_scale(pixels.mode, float(grey.max(initial=0.0)))
        return PilImage.fromarray(np.clip(grey / top * 255.0, 0, 255).round().astype(np.uint8))
    if pixels.mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        return pixels
    if pixels.mode in ("PA", "La", "RGBa"):
        return pixels.convert("LA").convert("RGBA") if pixels.mode == "La" else pixels.convert("RGBA")
    return pixels.convert("RGB")
