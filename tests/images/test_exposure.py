"""Dark images are lifted before an encoder sees them, all others are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from mmad_rag.images import open_image, to_rgb
from mmad_rag.images.exposure import lifted
from mmad_rag.index.views import VIEWS, WHOLE, view_of
from mmad_rag.records import EncodedImage


def image(level: int, *, brightest: int | None = None) -> EncodedImage:
    """A ramp up to `level` with a bright field of a twentieth of its area."""
    pixels = np.tile(np.linspace(0, level, 100, dtype=np.uint8)[None, :, None], (60, 1, 3))
    if brightest is not None:
        pixels[:3] = brightest
    return open_image(pixels)


def test_a_dark_picture_gets_the_levels_of_a_bright_one() -> None:
    dark = image(70)
    bright = lifted(dark)
    assert bright is not dark
    assert (bright.digest, bright.name) == (dark.digest, dark.name)
    levels = np.asarray(to_rgb(bright)).astype(float)
    factor = 230 / np.percentile(np.asarray(to_rgb(dark)).max(axis=2), 99)
    assert levels == pytest.approx(np.clip(np.asarray(to_rgb(dark)) * factor, 0, 255), abs=1.0)


@pytest.mark.parametrize(
    "bright_enough",
    [
        image(200),
        image(40, brightest=240),
        open_image(np.full((20, 20, 3), (20, 20, 130), np.uint8)),
        image(3),
        image(0),
    ],
    ids=["bright", "dark part on a bright ground", "deep blue, well lit", "as good as black", "black"],
)
def test_other_pictures_stay_the_same_object(bright_enough: EncodedImage) -> None:
    assert lifted(bright_enough) is bright_enough


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_shows_a_dark_picture_lifted(view: str) -> None:
    seen = np.asarray(to_rgb(view_of(image(70), view)))
    assert seen.max() > 180
    assert view_of(image(200), WHOLE).data == image(200).data
