"""Bring the levels of an image to 8 bits, on a scale that the image itself states or shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmad_rag.images.decode import Decoded
from mmad_rag.images.plain import PlainFile

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL.Image import Image

FULL_SCALES = tuple(float(2**bits - 1) for bits in (8, 10, 12, 14, 16))
"""The largest levels of cameras; one of them means white."""
_LARGEST_RELATIVE = 16.0
"""Floats up to 1 have white at 1. Where some are brighter, but none above this, white is the brightest one:
as levels of 255 they would all be as good as black."""
_COUNTED = 99.9
"""Percentile of floats that counts as the largest: a few brighter pixels are overshoots or sensor defects."""
_SAMPLE = 4_000_000
_BAND = 2_000_000
"""Pixels that are converted at a time, so that memory stays within that of the image itself."""


def is_deep(mode: str) -> bool:
    """Whether greys of this mode have more than 8 bits."""
    return mode.startswith("I;16") or mode in ("I", "F")


def full_scale(largest: float, stated: float | None = None, *, floats: bool = False) -> float:
    """The level that means white.

    Args:
        largest: The largest level of the image, at least 0.
        stated: The level that the file states; it is used if no level of the image is above it.
        floats: Whether levels are floating-point numbers.

    Example:
        >>> [full_scale(level) for level in (200, 900, 3276, 40_000, 100_000)]
        [255.0, 1023.0, 4095.0, 65535.0, 100000]
        >>> [full_scale(level, floats=True) for level in (0.3, 1.0, 1.5, 100.0)]
        [1.0, 1.0, 1.5, 255.0]
    """
    if stated is not None and largest <= stated:
        return stated
    if floats and largest <= _LARGEST_RELATIVE:
        return max(1.0, largest)
    return next((scale for scale in FULL_SCALES if largest <= scale), largest)


def eight_bit(image: Decoded) -> Image:
    """The pixels with 8 bits a level, in one of Pillow's modes for that; others are returned as they are.

    Grey becomes `L` or, where one level is stated to be transparent, `LA`; colours keep their mode, or get an
    alpha channel in the same way.
    """
    if image.low is not None:
        return _colours(image.pixels, image.low, image.file.full_scale)
    return deep_grey(image.pixels, image.file) if is_deep(image.pixels.mode) else image.pixels


def deep_grey(pixels: Image, file: PlainFile) -> Image:
    """Greys of more than 8 bits as 8-bit levels; NaN is black, and an infinite level is black or white."""
    import numpy as np
    from PIL import Image as PilImage

    floats = pixels.mode == "F"
    largest = _largest_float(pixels) if floats else 0.0
    if not floats:
        largest = max(float(band.max(initial=0)) for _, band in _bands(pixels, unsigned=file.unsigned))
    white = full_scale(largest, file.full_scale, floats=floats)
    hidden = pixels.info.get("transparency") if pixels.mode.startswith("I;16") else None
    grey = PilImage.new("L" if hidden is None else "LA", pixels.size)
    table = _table(white)
    for top, band in _bands(pixels, unsigned=file.unsigned):
        if pixels.mode.startswith("I;16"):
            shown = table[band]
        else:
            levels = np.nan_to_num(band.astype(np.float64), nan=0.0) / white
            shown = (np.clip(levels, 0, 1) * 255.0).round().astype(np.uint8)
        shown = 255 - shown if file.white_is_zero else shown
        if hidden is not None:
            shown = np.dstack([shown, np.where(band == hidden, 0, 255).astype(np.uint8)])
        grey.paste(PilImage.fromarray(shown), (0, top))
    return grey


def _largest_float(pixels: Image) -> float:
    """The largest level that counts, of the finite ones; 0 if there is none."""
    import numpy as np

    step = max(1, round((pixels.width * pixels.height / _SAMPLE) ** 0.5))
    finite = [level[np.isfinite(level)] for level in (band[::step, ::step] for _, band in _bands(pixels))]
    levels = np.concatenate(finite)
    return max(0.0, float(np.percentile(levels, _COUNTED, method="higher"))) if levels.size else 0.0


def _colours(high: Image, low: Image, stated: float | None) -> Image:
    """Colours of 16 bits, given as high and low bytes, as 8-bit levels; alpha has a scale of its own."""
    import numpy as np
    from PIL import Image as PilImage

    colours = len(high.getbands()) - (high.mode in ("LA", "RGBA"))
    largest = [0] * len(high.getbands())
    for _, band in _joined(high, low):
        largest = np.maximum(largest, band.max(axis=(0, 1))).tolist()
    white = full_scale(max(largest[:colours]), stated)
    scales = [white] * colours + [full_scale(level) for level in largest[colours:]]
    tables = [_table(scale) for scale in scales]
    hidden = high.info.get("transparency")
    mode = "RGBA" if isinstance(hidden, tuple) else high.mode
    result = PilImage.new(mode, high.size)
    for top, band in _joined(high, low):
        shown = [table[band[..., channel]] for channel, table in enumerate(tables)]
        if isinstance(hidden, tuple):
            shown.append(np.where((band == hidden).all(axis=2), 0, 255).astype(np.uint8))
        result.paste(PilImage.fromarray(np.dstack(shown), mode), (0, top))
    return result


def _table(white: float) -> npt.NDArray[np.uint8]:
    """Level of 16 bits -> level of 8 bits."""
    import numpy as np

    return np.clip(np.arange(65536) / white * 255.0, 0, 255).round().astype(np.uint8)


def band_rows(pixels: Image) -> Iterator[tuple[int, int]]:
    """First row and row after the last of each band of an image."""
    rows = max(1, _BAND // pixels.width)
    for top in range(0, pixels.height, rows):
        yield top, min(pixels.height, top + rows)


def _bands(pixels: Image, *, unsigned: bool = False) -> Iterator[tuple[int, npt.NDArray[np.generic]]]:
    """First row and levels, shape (rows, width), of each band; `unsigned` is about 32 bits only."""
    import numpy as np

    for top, end in band_rows(pixels):
        band = np.asarray(pixels.crop((0, top, pixels.width, end)))
        yield top, band.view(np.uint32) if unsigned and pixels.mode == "I" else band


def _joined(high: Image, low: Image) -> Iterator[tuple[int, npt.NDArray[np.uint16]]]:
    """First row and levels of 16 bits, shape (rows, width, channels), of each band."""
    import numpy as np

    for top, end in band_rows(high):
        box = (0, top, high.width, end)
        upper, lower = (np.asarray(plane.crop(box)).astype(np.uint16) for plane in (high, low))
        yield top, np.asarray(upper << 8 | lower, np.uint16)
