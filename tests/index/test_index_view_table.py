"""Each view of an image: which pixels it keeps, where they go and what colour the rest has."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mmad_rag.images import open_image, to_rgb
from mmad_rag.index.views import DEFAULT_VIEWS, VIEWS, view_of
from mmad_rag.records import EncodedImage, MediaType
from tests.index.framed import YELLOW, framed


def pixels(picture: EncodedImage) -> np.ndarray:
    return np.asarray(to_rgb(picture))


def numbered(width: int, height: int) -> np.ndarray:
    """Grey levels from 250 down, each pixel another one."""
    levels = 250 - np.arange(width * height, dtype=np.uint8).reshape(height, width)
    return np.repeat(levels[:, :, None], 3, axis=2)


def test_the_table_of_views() -> None:
    assert tuple(VIEWS) == ("whole", "nearer", "unfocused", "turned", "quarter_turn", "compressed")
    assert tuple(VIEWS) == DEFAULT_VIEWS


def test_the_whole_view_hands_on_the_very_bytes() -> None:
    picture = framed(8, 4)
    assert view_of(picture, "whole") is picture
    image = to_rgb(picture)
    assert VIEWS["whole"](image) is image


def test_the_whole_view_of_a_dark_picture_is_lifted_under_its_own_hash() -> None:
    """By one factor, so that its brightest hundredth has the level 230."""
    dark = open_image(np.full((6, 6, 3), 46, np.uint8))
    seen = view_of(dark, "whole")
    assert (seen.digest, seen.name, seen.width, seen.height) == (dark.digest, dark.name, 6, 6)
    assert (pixels(seen) == 230).all()


def test_the_nearer_view_is_the_middle_three_fifths() -> None:
    for width, height, rows, columns in (
        (10, 5, slice(1, 4), slice(2, 8)),
        (7, 4, slice(1, 3), slice(1, 5)),
        (15, 10, slice(2, 8), slice(3, 12)),
        (2, 3, slice(1, 2), slice(0, 1)),
        (1, 1, slice(0, 1), slice(0, 1)),
    ):
        image = numbered(width, height)
        nearer = pixels(view_of(open_image(image), "nearer"))
        assert nearer.tolist() == image[rows, columns].tolist()


@pytest.mark.parametrize(("width", "height", "sigma"), [(512, 32, 4.0), (256, 32, 2.0), (64, 128, 1.0)])
def test_the_unfocused_view_blurs_in_proportion_to_the_picture(width: int, height: int, sigma: float) -> None:
    """An edge gets the profile of the normal distribution; sigma is 4 pixels at a long side of 512."""
    image = np.full((height, width, 3), 50, np.uint8)
    image[:, width // 2 :] = 250
    blurred = pixels(view_of(open_image(image), "unfocused"))
    assert blurred.shape == image.shape
    steps = (np.arange(width) - width / 2 + 0.5) / sigma
    expected = [50 + 200 * (0.5 + 0.5 * math.erf(step / math.sqrt(2))) for step in steps]
    for row in (0, height // 2, height - 1):
        assert blurred[row, :, 0].tolist() == pytest.approx(expected, abs=4)


def test_the_turned_view_turns_by_45_degrees_against_the_clock() -> None:
    """What lay 30 pixels to the right of the middle lies 21 to its right and 21 above it."""
    image = np.full((101, 101, 3), (200, 180, 160), np.uint8)
    image[47:54, 77:84] = (20, 40, 250)
    turned = pixels(view_of(open_image(image), "turned"))
    assert turned.shape == image.shape
    rows, columns = np.nonzero(turned[:, :, 0] < 110)
    assert (rows.mean(), columns.mean()) == pytest.approx((50 - 21.2, 50 + 21.2), abs=0.5)
    assert len(rows) == pytest.approx(49, abs=6)
    assert turned[29, 71].tolist() == [20, 40, 250]
    assert (turned[:, :30] == (200, 180, 160)).all()


def test_the_turned_view_goes_on_beyond_the_border_as_the_border_was() -> None:
    """A gradient from top to bottom runs on into the corners, level with what the nearest edge shows."""
    rows = np.arange(21.0)
    image = np.repeat((50 + 8 * rows).astype(np.uint8)[:, None, None], 21, axis=1).repeat(3, axis=2)
    seen = pixels(view_of(open_image(image), "turned"))[:, :, 0]
    down, right = np.meshgrid(rows - 10, rows - 10, indexing="ij")
    source = np.clip(10 + (down + right) * math.sqrt(0.5), 0, 20)
    assert seen == pytest.approx(50 + 8 * source, abs=5)
    wide = pixels(view_of(framed(80, 20), "turned"))
    assert wide.shape == (20, 80, 3)
    assert (wide[:, :15] == YELLOW).all()
    assert (wide[:, -15:] == YELLOW).all()


def test_the_quarter_turn_turns_with_the_clock_and_cuts_nothing() -> None:
    image = numbered(3, 2)
    turned = pixels(view_of(open_image(image), "quarter_turn"))
    assert turned[:, :, 0].tolist() == [[247, 250], [246, 249], [245, 248]]
    assert (turned == turned[:, :, :1]).all()


def test_the_compressed_view_is_a_jpeg_of_quality_7() -> None:
    """Its table keeps the mean of a block in steps of 114 / 8 = 14.25 around 128, and no fine pattern."""
    for level, kept in ((131, 128), (134, 128), (170, 171), (185, 185)):
        compressed = pixels(view_of(open_image(np.full((16, 24, 3), level, np.uint8)), "compressed"))
        assert compressed.shape == (16, 24, 3)
        assert (compressed == kept).all()
    pattern = np.full((16, 16, 3), 183, np.uint8)
    pattern[::2, ::2] = pattern[1::2, 1::2] = 187
    assert (pixels(view_of(open_image(pattern), "compressed")) == 185).all()


@pytest.mark.parametrize("view", [view for view in VIEWS if view != "whole"])
def test_every_other_view_is_another_picture_and_says_so(view: str) -> None:
    picture = framed(60, 40)
    seen = view_of(picture, view)
    assert seen.name == f"<array> ({view})"
    assert seen.media_type is MediaType.PNG
    assert seen.digest != picture.digest
    size = {"nearer": (36, 24), "quarter_turn": (40, 60)}.get(view, (60, 40))
    assert (seen.width, seen.height) == size
    assert view_of(picture, view).data == seen.data
    if view != "nearer":
        assert not np.array_equal(pixels(seen), pixels(picture))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 2), (1500, 1)])
def test_every_view_takes_the_smallest_and_the_narrowest_picture(view: str, width: int, height: int) -> None:
    seen = view_of(open_image(np.full((height, width, 3), 185, np.uint8)), view)
    assert min(seen.width, seen.height) >= 1
    assert (pixels(seen) == 185).all()


def test_a_view_of_a_large_picture_is_scaled_down() -> None:
    """To what an encoder can use; the whole is left to the encoder."""
    large = framed(1600, 800)
    turned = view_of(large, "quarter_turn")
    assert (turned.width, turned.height) == (256, 512)
    assert turned.name == "<array> (quarter_turn)"
    assert (view_of(large, "nearer").width, view_of(large, "nearer").height) == (307, 153)
    assert (view_of(large, "compressed").width, view_of(large, "compressed").height) == (512, 256)
    assert view_of(large, "whole") is large
