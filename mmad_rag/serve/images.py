"""Open the image of a request within the limits."""

from __future__ import annotations

import base64
import binascii
import io
import warnings

from mmad_rag.errors import ImageError
from mmad_rag.images import open_image
from mmad_rag.records import EncodedImage
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.limits import Limits


def data_url_bytes(url: str, limits: Limits) -> bytes:
    """The bytes in a `data:` URL.

    Raises:
        RefusalError: 400 no base64, 413 too large.
    """
    head, _, payload = url.partition(",")
    if not head.lower().endswith(";base64"):
        raise _broken("the image's data URL does not begin with data:image/...;base64,")
    if len(payload) // 4 * 3 > limits.image_bytes + 2:
        raise too_large(limits)
    try:
        data = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _broken(f"the image's data URL does not hold valid base64 ({error})") from None
    if len(data) > limits.image_bytes:
        raise too_large(limits)
    return data


def open_limited(data: bytes, limits: Limits) -> EncodedImage:
    """The image, decoded once to be sure that it is whole.

    Raises:
        RefusalError: 400 not a whole image, 413 too many pixels.
    """
    if _pixels(data) > limits.image_pixels:
        raise RefusalError(
            413,
            f"the image has more than {limits.image_pixels:,} pixels; scale it down",
            code="picture_too_large",
        )
    try:
        return open_image(data, name="in the request")
    except ImageError as error:
        raise _broken(str(error)) from None


def too_large(limits: Limits) -> RefusalError:
    """413 for an image of too many bytes."""
    return RefusalError(
        413,
        f"the image has more than {limits.image_bytes:,} bytes; scale it down, "
        "or start the server with a larger --max-image-mb",
        code="picture_too_large",
    )


def _pixels(data: bytes) -> int:
    """By the header alone; 0 if it cannot be read, which opening will say better."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit decides
            with Image.open(io.BytesIO(data)) as image:
                return image.width * image.height
    except Image.DecompressionBombError:
        return Image.MAX_IMAGE_PIXELS or 0
    except Exception:  # Pillow's plug-ins raise many kinds on damaged headers
        return 0


def _broken(message: str) -> RefusalError:
    return RefusalError(400, f"{message}; encode the image again", code="invalid_image")
