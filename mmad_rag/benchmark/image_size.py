"""Scale a picture down to a longest side."""

from __future__ import annotations

import dataclasses
import io

from mmad_rag.images import to_rgb
from mmad_rag.records import MediaType, Picture

_QUALITY = 95
_FORMATS = {MediaType.JPEG: "JPEG", MediaType.WEBP: "WEBP"}
"""Formats that a smaller picture is encoded in again; the others become PNG, which loses nothing."""


def scaled_down(picture: Picture, longest: int) -> Picture:
    """The picture with no side longer than `longest` pixels; one that is small enough stays as it is.

    Its media type is that of the new bytes. Its digest stays that of the bytes on disk, which is what a
    picture is known by: a reference that is the query itself must be found out at any size.

    Args:
        picture: Of any size.
        longest: Pixels, at least 1.
    """
    if max(picture.width, picture.height) <= longest:
        return picture
    from PIL.Image import Resampling

    ratio = longest / max(picture.width, picture.height)
    width, height = (max(1, round(side * ratio)) for side in (picture.width, picture.height))
    media_type = picture.media_type if picture.media_type in _FORMATS else MediaType.PNG
    buffer = io.BytesIO()
    small = to_rgb(picture).resize((width, height), Resampling.LANCZOS)
    small.save(buffer, format=_FORMATS.get(media_type, "PNG"), quality=_QUALITY)
    return dataclasses.replace(
        picture, data=buffer.getvalue(), media_type=media_type, width=width, height=height
    )
