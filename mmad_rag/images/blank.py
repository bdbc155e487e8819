"""Tell of an image that is as good as black or white."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger("mmad_rag.images")

_BLACK_BELOW = 16
"""Level of 255, a sixteenth of the full scale."""
_WHITE_FROM = 250
_SHARE = 0.999
"""Share of the pixels that must be so; the rest may be dead pixels. A mask shows more than that."""
_SIDE = 256
"""Pixels are sampled at most so densely along each side."""
_REMEMBERED = 4096


class _Told:
    """The images that were told of; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: OrderedDict[str, None] = OrderedDict()

    def is_new(self, digest: str) -> bool:
        with self._lock:
            if digest in self._digests:
                return False
            self._digests[digest] = None
            if len(self._digests) > _REMEMBERED:
                self._digests.popitem(last=False)
            return True


_TOLD = _Told()


def tell_if_blank(pixels: Image, *, name: str, digest: str) -> None:
    """Log a warning, once per image, if no model can see anything in it.

    Args:
        pixels: The image with 8 bits a level, as it is sent to a model.
        name: The image's name.
        digest: The image's identity.
    """
    found = blank(pixels)
    if found and _TOLD.is_new(digest):
        log.warning(
            "the image %s is as good as %s, and no model can see anything in it; check its exposure, "
            "the depth and scale of its levels, and its transparency",
            name,
            found,
        )


def blank(pixels: Image) -> str:
    """`black` or `white` for an image that is as good as that in all channels, otherwise nothing."""
    from PIL.Image import Resampling

    size = (min(_SIDE, pixels.width), min(_SIDE, pixels.height))
    sample = (pixels if pixels.size == size else pixels.resize(size, Resampling.NEAREST)).convert("RGB")
    counts = sample.histogram()
    wanted = _SHARE * size[0] * size[1]
    channels = [counts[start : start + 256] for start in (0, 256, 512)]
    if all(sum(channel[:_BLACK_BELOW]) >= wanted for channel in channels):
        return "black"
    return "white" if all(sum(channel[_WHITE_FROM:]) >= wanted for channel in channels) else ""
