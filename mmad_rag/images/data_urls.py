"""What a `data:` URL says that it holds."""

from __future__ import annotations

import re

_TYPE = re.compile(r"data:([^;,/\s]{1,127}/[^;,/\s]{1,127})[;,]", re.IGNORECASE)
"""Names of the length that RFC 6838 allows; base64 without a head is none."""
_READ = frozenset(
    {
        *("image/png", "image/x-png", "image/apng"),
        *("image/jpeg", "image/jpg", "image/pjpeg", "image/jfif"),
        *("image/webp", "image/gif", "image/tiff", "image/tif"),
        *("image/bmp", "image/x-bmp", "image/x-ms-bmp"),
        *("application/octet-stream", "binary/octet-stream", "image/*", "*/*"),  # say nothing
    }
)
"""Media types under which an image is opened, so that one that cannot be read there is an error."""


def is_data_url(url: str) -> bool:
    """Whether the image itself stands in the URL."""
    return url[:5].lower() == "data:"


def unread_type(url: str) -> str:
    """The media type that a `data:` URL declares, in lower case, if images of it are not read here.

    Such an image (HEIC, SVG, PDF ...) may still be one that the model's provider understands. Empty where
    the URL declares what is read, or nothing.

    Example:
        >>> unread_type("data:image/heic;base64,AAAA"), unread_type("data:image/png;base64,AAAA")
        ('image/heic', '')
    """
    found = _TYPE.match(url)
    declared = found[1].lower() if found else ""
    return "" if not declared or declared in _READ or _pillow_reads(declared) else declared


def _pillow_reads(media_type: str) -> bool:
    """Depends on Pillow's version and plug-ins: AVIF since 11.3, HEIC with pillow-heif."""
    if not media_type.startswith("image/"):
        return False
    from PIL import Image

    Image.init()
    return any(Image.MIME.get(name) == media_type for name in Image.OPEN)
