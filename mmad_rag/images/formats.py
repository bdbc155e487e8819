"""Recognise the format of an image file by its first bytes."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """The formats that are decoded, by their names in Pillow; an MPO file is a JPEG with further images."""

    PNG = "PNG"
    JPEG = "JPEG"
    WEBP = "WEBP"
    GIF = "GIF"
    BMP = "BMP"
    TIFF = "TIFF"


_HEADS = {
    b"\x89PNG\r\n\x1a\n": Format.PNG,
    b"\xff\xd8\xff": Format.JPEG,
    b"GIF87a": Format.GIF,
    b"GIF89a": Format.GIF,
    b"BM": Format.BMP,
    b"II\x2a\x00": Format.TIFF,
    b"MM\x00\x2a": Format.TIFF,
    b"II\x00\x2a": Format.TIFF,  # two forms that Pillow reads although the standard does not have them
    b"MM\x2a\x00": Format.TIFF,
    b"II\x2b\x00": Format.TIFF,  # BigTIFF
    b"MM\x00\x2b": Format.TIFF,
}


def format_of(data: bytes) -> Format | None:
    """The format of an image file; None if it is not one of those that are decoded.

    Example:
        >>> format_of(b"GIF89a...")
        <Format.GIF: 'GIF'>
        >>> format_of(b"%!PS-Adobe-3.0 EPSF-3.0") is None
        True
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return Format.WEBP
    return next((found for head, found in _HEADS.items() if data.startswith(head)), None)
