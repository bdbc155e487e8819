"""Read the media type of a `data:` URL."""

from __future__ import annotations

import re

_TYPE = re.compile(r"data:([^;,/\s]{1,127}/[^;,/\s]{1,127})[;,]", re.IGNORECASE)
"""Type names of the length that RFC 6838 allows; base64 without a head does not match."""
_READ = frozenset(
    {
        *("image/png", "image/x-png", "image/apng"),
        *("image/jpeg", "image/jpg", "image/pjpeg", "image/jfif"),
        *("image/webp", "image/gif", "image/tiff", "image/tif"),
        *("image/bmp", "image/x-bmp", "image/x-ms-bmp"),
        *("application/octet-stream", "binary/octet-stream", "image/*", "*/*"),  # general types
    }
)
"""Media types that are opened as images, so that an unreadable image of such a type is an error."""


def is_data_url(url: str) -> bool:
    """Whether the URL contains the image itself."""
    return url[:5].lower() == "data:"


def unread_type(url: str) -> str:
    """The media type that a `data:` URL declares, in lower case, if images of that type are not read here.

    The model's provider may still understand such an image (HEIC, SVG, PDF ...). The result is empty if the
    URL declares a type that is read, or none.

    Example:
        >>> unread_type("data:image/heic;base64,AAAA"), unread_type("data:image/png;base64,AAAA")
        ('image/heic', '')
    """
    found = _TYPE.match(url)
    declared = found[1].lower() if found else ""
    return "" if not declared or declared in _READ else declared
