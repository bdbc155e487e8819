"""Open and check images: the one door by which an image enters."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import TYPE_CHECKING, TypeAlias

from mmad_rag.errors import ImageError
from mmad_rag.images.blank import tell_if_blank
from mmad_rag.images.decode import Decoded, decoded, refusing
from mmad_rag.images.formats import Format
from mmad_rag.images.settle import settled
from mmad_rag.images.sources import Source, read_source
from mmad_rag.images.written import written_again
from mmad_rag.records import EncodedImage, MediaType

if TYPE_CHECKING:
    from PIL.Image import Image

ImageSource: TypeAlias = "EncodedImage | Source"
"""An image, path, encoded bytes, `data:` URL, Pillow image, or uint8 array of shape (h, w[, 3 or 4])."""

MAX_PIXELS = 100_000_000
"""Largest number of pixels; a larger image is refused before decoding (a decompression bomb has a few
kilobytes)."""
MAX_BYTES = 64 * 1024 * 1024
"""Largest number of bytes; a larger file is refused before it is read."""

_SENT = {
    Format.PNG: MediaType.PNG,
    Format.JPEG: MediaType.JPEG,
    Format.WEBP: MediaType.WEBP,
    Format.GIF: MediaType.GIF,
}


def open_image(source: ImageSource, *, name: str | None = None) -> EncodedImage:
    """Open an image, decode it once to check that it is whole, and settle what it shows.

    PNG, JPEG (also MPO), WebP, GIF, BMP and TIFF are recognised by their first bytes; nothing else is ever
    decoded. The bytes of an ordinary PNG, JPEG, WebP or GIF are kept. An image that receivers would show
    differently is encoded anew: upright where EXIF says to turn it, with 8-bit levels where it has more, laid
    over white where it is transparent, in RGB where it is CMYK. JPEG and WebP keep their format then; other
    formats, and every BMP and TIFF, become PNG. Metadata that cannot be read are passed over, and left out of
    the bytes. The digest is always that of the bytes that were handed in. A warning is logged, once per
    image, if it is as good as black or white.

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
    data, found_name = read_source(source, most=MAX_BYTES)
    name = name or found_name
    if not data:
        raise ImageError(f"the image {name} is empty; replace the file")
    if len(data) > MAX_BYTES:
        raise ImageError(f"the image {name} has {len(data):,} bytes, more than {MAX_BYTES:,}; scale it down")
    digest = hashlib.sha256(data).hexdigest()
    image = decoded(data, name, most=MAX_PIXELS)
    with refusing(name):
        pixels, as_it_is = settled(image)
        media_type = _SENT.get(image.found)
        if media_type is None or not as_it_is:
            data, media_type = written_again(pixels, image)
        else:
            data = image.data
        tell_if_blank(pixels, name=name, digest=digest)
    return EncodedImage(data, media_type, pixels.width, pixels.height, digest, name)


def of_pixels(pixels: Image, *, name: str, compress_level: int = 1) -> EncodedImage:
    """The image made of the pixels of an 8-bit RGB image that was computed here, as a PNG.

    Args:
        pixels: The pixels.
        name: The image's name, for messages.
        compress_level: 0 to 9; higher is smaller and slower.
    """
    buffer = io.BytesIO()
    pixels.save(buffer, format="PNG", compress_level=compress_level)
    data = buffer.getvalue()
    digest = hashlib.sha256(data).hexdigest()
    return EncodedImage(data, MediaType.PNG, pixels.width, pixels.height, digest, name)


def is_as_given(image: EncodedImage) -> bool:
    """Whether the image's bytes are those that were handed in, and not written anew."""
    return hashlib.sha256(image.data).hexdigest() == image.digest


def to_rgb(image: EncodedImage) -> Image:
    """Decode to an upright 8-bit RGB Pillow image: exactly what a model sees that is sent the image's bytes.

    Raises:
        ImageError: the bytes were not opened by `open_image`, and are not a whole image.
    """
    opened: Decoded = decoded(image.data, image.name, most=MAX_PIXELS)
    with refusing(image.name):
        return settled(opened)[0].convert("RGB")


def data_url(image: EncodedImage) -> str:
    """The image's bytes as a `data:` URL with their true media type."""
    return f"data:{image.media_type.value};base64,{base64.b64encode(image.data).decode('ascii')}"
