"""The views of a reference image: alterations of it that are embedded too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from mmad_rag.errors import InputError
from mmad_rag.images import of_pixels, to_rgb
from mmad_rag.images.exposure import lifted
from mmad_rag.images.perturb import as_jpeg, blurred, middle, turned
from mmad_rag.records import EncodedImage

if TYPE_CHECKING:
    from PIL.Image import Image

View: TypeAlias = "Callable[[Image], Image]"
"""Turns an upright RGB image into the view that is embedded."""

WHOLE = "whole"
"""Name of the view that shows the image unaltered, except that a dark one is brightened; query images are
embedded in this view."""
VIEWS_VERSION = 6
"""Version of the table of views below; vectors of another version are not reused."""

_LONGEST = 512
"""Longest side of a view in pixels; encoders use fewer, and a smaller image is faster to encode."""


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
    """The image turned clockwise by 90 degrees; nothing is cut off."""
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
"""Name of a view -> the view."""
DEFAULT_VIEWS = tuple(VIEWS)
"""The views of each reference that an index holds by default: a query image may be taken from nearer, out of
focus, turned or compressed, and must still find its product."""


def checked_views(names: Sequence[str]) -> tuple[str, ...]:
    """The names of views, checked and sorted.

    Raises:
        InputError: no name is given, one is unknown, or one is given twice.
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
    """The image that an encoder receives for one view: dark images brightened, views at most 512 pixels."""
    image = lifted(image)
    if name == WHOLE:
        return image
    pixels = to_rgb(image)
    pixels.thumbnail((_LONGEST, _LONGEST))
    return of_pixels(VIEWS[name](pixels), name=f"{image.name} ({name})")
