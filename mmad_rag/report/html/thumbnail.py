"""Put an image of the data folder into a page as a small `data:` URL."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.data.dataset_names import file_of
from mmad_rag.benchmark.data.strict_json import as_relative_path
from mmad_rag.errors import DataError, ImageError
from mmad_rag.images import open_image, to_rgb

LONGEST_SIDE = 384
"""Pixels; larger images are scaled down."""
_QUALITY = 82


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """An image on a page, or why it is not there."""

    url: str | None
    """A `data:` URL of a PNG or JPEG; None when there is no image here."""
    width: int
    """Pixels; 0 without an image."""
    height: int
    """Pixels; 0 without an image."""
    missing: str | None
    """Why there is no image; None when there is one."""


def thumbnail(data: Path, image_path: str) -> Thumbnail:
    """An image of the data folder, no side longer than `LONGEST_SIDE`.

    Of PNG and JPEG the one with fewer bytes is taken: drawings stay sharp, photographs small.

    Args:
        data: The data folder.
        image_path: Relative to it, as a run has it. A run folder may come from anybody, so a path that leaves
            the data folder is not opened.
    """
    try:
        image = open_image(file_of(data, as_relative_path(image_path, "the run")))
        pixels = to_rgb(image)
    except (ImageError, DataError) as error:
        return Thumbnail(None, 0, 0, str(error))
    pixels.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    encoded = {}
    for kind in ("png", "jpeg"):
        buffer = io.BytesIO()
        pixels.save(buffer, format=kind, quality=_QUALITY, optimize=True)
        encoded[kind] = buffer.getvalue()
    kind = min(encoded, key=lambda name: len(encoded[name]))
    url = f"data:image/{kind};base64,{base64.b64encode(encoded[kind]).decode('ascii')}"
    return Thumbnail(url, pixels.width, pixels.height, None)
