"""The ways in which a reference image is looked at before it is embedded."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mmad_rag.errors import InputError
from mmad_rag.images import open_image, to_rgb
from mmad_rag.images.exposure import lifted
from mmad_rag.images.perturb import as_jpeg, blurred, middle, turned
from mmad_rag.records import EncodedImage

if TYPE_CHECKING:
    from PIL.Image import Image

View: TypeAlias = "Callable[[Image], Image]"
"""From an upright RGB image to what is embedded of it."""

WHOLE = "whole"
"""The image as it is, but for a dark one, which is lifted; a picture to inspect is looked at like this."""
VIEWS_VERSION = 6
"""Raised when a view of the table below changes, so that no vector of the old one is taken over."""

_LONGEST = 512
"""Pixels; encoders look at less, and a smaller image is faster to encode."""


def _whole(pixels: Image) -> Image:
    return pixels


def _nearer(pixels: Image) -> Image:
    """The middle three fifths of the width and of the height."""
    return middle(pixels, 0.6)


def _unfocused(pixels: Image) -> Image:
    return blurred(pixels, 4.0)


def _turned(pixels: Image) -> Image:
    return turned(pixels, 45)


def _quarter_turn(pixels: Image) -> Image:
    """Turned by 90 degrees with the clock; nothing is cut off."""
    return pixels.rotate(-90, expand=True)


def _compressed(pixels: Image) -> Image:
    return as_jpeg(pixels, 7)


VIEWS: Mapping[str, View] = {
    WHOLE: _whole,
    "nearer": _nearer,
    "unfocused": _unfocused,
    "turned": _turned,
    "quarter_turn": _quarter_turn,
    "compressed": _compressed,
}
"""Name -> view."""
DEFAULT_VIEWS = tuple(VIEWS)
"""What an index holds of each reference unless told otherwise: a picture to inspect may be taken nearer, out
of focus, turned or sent through a codec, and must still find its product."""


def checked_views(names: Sequence[str]) -> tuple[str, ...]:
    """The names sorted, once they are found good.

    Raises:
        InputError: there is none, one is unknown, or one is given twice.
    """
    known = ", ".join(VIEWS)
    if not names:
        raise InputError(f"no view of the reference images is given; choose of {known}")
    for name in names:
        if name not in VIEWS:
            raise InputError(f"there is no view called {name!r}; choose of {known}")
    if len(set(names)) < len(names):
        raise InputError(f"a view is given twice: {', '.join(names)}; give each once")
    return tuple(sorted(names))


def view_of(image: EncodedImage, name: str) -> EncodedImage:
    """What an encoder is shown for one view: dark images lifted, the views at 512 pixels at most."""
    image = lifted(image)
    if name == WHOLE:
        return image
    pixels = to_rgb(image)
    pixels.thumbnail((_LONGEST, _LONGEST))
    buffer = io.BytesIO()
    VIEWS[name](pixels).save(buffer, format="PNG", compress_level=1)
    return open_image(buffer.getvalue(), name=f"{image.name} ({name})")
