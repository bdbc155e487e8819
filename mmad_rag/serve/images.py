"""Open the image of a request within the limits."""

from __future__ import annotations

import base64
import binascii

from mmad_rag.errors import ImageError
from mmad_rag.images import open_image
from mmad_rag.images.decode import pixels_stated
from mmad_rag.records import EncodedImage
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.limits import Limits


def data_url_bytes(url: str, limits: Limits) -> bytes:
    """The bytes in a `data:` URL.

    Raises:
        RefusalError: 400 if it is not base64, 413 if it is too large.
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
    """Open an image, which is decoded once to check that it is complete.

    Raises:
        RefusalError: 400 if it is not a complete image, 413 if it has too many pixels.
    """
    if pixels_stated(data) > limits.image_pixels:
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
    """The refusal, 413, of an image with too many bytes."""
    return RefusalError(
        413,
        f"the image has more than {limits.image_bytes:,} bytes; scale it down, "
        "or start the server with a larger --max-image-mb",
        code="picture_too_large",
    )


def _broken(message: str) -> RefusalError:
    return RefusalError(400, f"{message}; encode the image again", code="invalid_image")
