"""Changes of an image: what each does to the pixels, and that nothing but image and seed decides it."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmad_rag.errors import ImageError, InputError
from mmad_rag.images import open_image, to_rgb
from mmad_rag.images.perturb import CHANGES, change_named, changed
from mmad_rag.records import EncodedImage

Pixels = npt.NDArray[np.uint8]


def image(height: int = 40, width: int = 60, seed: int = 0) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(levels)


def pixels(picture: Image.Image) -> Pixels:
    return np.asarray(picture)


def picture(seed: int = 0) -> EncodedImage:
    buffer = io.BytesIO()
    image(seed=seed).save(buffer, format="PNG")
    return open_image(buffer.getvalue(), name="some.png")


def test_there_are_exactly_these_changes() -> None:
    assert list(CHANGES) == [
        "none",
        "rotation_30",
        "rotation_90",
        "brightness",
        "blur",
        "crop",
        "greyscale",
        "colour_cast",
        "jpeg",
        "noise",
    ]


@pytest.mark.parametrize("name", list(CHANGES))
@settings(max_examples=10, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_a_change_gives_an_rgb_image_and_depends_on_image_and_seed_alone(
    name: str, height: int, width: int, seed: int
) -> None:
    given_image = image(height, width)
    before = pixels(given_image).copy()
    first, second = (CHANGES[name](given_image, seed) for _ in range(2))
    assert first.mode == "RGB"
    assert np.array_equal(pixels(first), pixels(second))
    assert np.array_equal(pixels(given_image), before)


def test_none_keeps_every_pixel() -> None:
    assert np.array_equal(pixels(CHANGES["none"](image(), 3)), pixels(image()))


def test_a_quarter_turn_is_exact_and_counter_clockwise() -> None:
    assert np.array_equal(pixels(CHANGES["rotation_90"](image(), 0)), np.rot90(pixels(image())))


def test_brightness_scales_every_level() -> None:
    expected = np.rint(pixels(image()).astype(np.float32) * np.float32(0.3))
    assert np.array_equal(pixels(CHANGES["brightness"](image(), 0)), expected)


def test_a_crop_is_the_middle_half_of_each_side() -> None:
    assert np.array_equal(pixels(CHANGES["crop"](image(), 0)), pixels(image())[10:30, 15:45])
    assert CHANGES["crop"](image(1, 1), 0).size == (1, 1)


def test_greyscale_is_the_luma_in_all_channels() -> None:
    grey = pixels(CHANGES["greyscale"](image(), 0)).astype(np.float64)
    assert np.array_equal(grey[..., 0], grey[..., 1])
    assert np.array_equal(grey[..., 0], grey[..., 2])
    assert grey[..., 0] == pytest.approx(pixels(image()) @ np.array([0.299, 0.587, 0.114]), abs=1)


def test_a_cast_gives_each_channel_one_of_the_gains() -> None:
    plain = Image.new("RGB", (4, 4), (100, 100, 100))
    casts = {tuple(pixels(CHANGES["colour_cast"](plain, seed))[0, 0].tolist()) for seed in range(60)}
    assert len(casts) == 6
    assert all(sorted(cast) == [70, 100, 130] for cast in casts)


def test_a_cast_never_wraps_round() -> None:
    white = Image.new("RGB", (2, 2), (255, 255, 255))
    assert pixels(CHANGES["colour_cast"](white, 0)).min() == round(255 * 0.7)
    assert pixels(CHANGES["colour_cast"](white, 0)).max() == 255


def test_noise_has_the_stated_deviation_and_follows_the_seed() -> None:
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    noise = pixels(CHANGES["noise"](grey, 1)).astype(np.float64) - 128
    assert noise.std() == pytest.approx(40, rel=0.02)
    assert noise.mean() == pytest.approx(0, abs=0.5)
    assert not np.array_equal(pixels(CHANGES["noise"](grey, 2)) - 128.0, noise)


def test_the_blur_grows_with_the_long_side() -> None:
    """An edge is as wide, as a share of the image, at any size: 6 px of 512."""
    for side in (256, 512, 1024):
        edge = np.zeros((8, side, 3), np.uint8)
        edge[:, side // 2 :] = 255
        row = pixels(CHANGES["blur"](Image.fromarray(edge), 0))[4, :, 0].astype(np.float64) / 255
        # The slope of a blurred step is the Gaussian: its deviation is the blur's.
        slope = np.diff(row)
        place = np.arange(len(slope)) - (slope * np.arange(len(slope))).sum()
        assert np.sqrt((slope * place**2).sum()) == pytest.approx(6 * side / 512, rel=0.1)


def test_a_jpeg_of_quality_five_loses_detail_and_keeps_the_size() -> None:
    squeezed = CHANGES["jpeg"](image(), 0)
    assert squeezed.size == (60, 40)
    assert np.abs(pixels(squeezed).astype(int) - pixels(image())).mean() > 20


def test_a_picture_too_wide_for_a_jpeg_is_refused_with_its_size() -> None:
    with pytest.raises(ImageError, match="70000 x 1 pixels cannot be a JPEG"):
        CHANGES["jpeg"](Image.new("RGB", (70_000, 1)), 0)


def test_a_turn_by_thirty_degrees_repeats_the_edge_and_keeps_the_middle() -> None:
    """A white frame stays white in the corners; a spot right of the centre moves up by 30 degrees."""
    levels = np.full((101, 101, 3), 255, np.uint8)
    levels[48:53, 88:93] = 0
    turned = pixels(CHANGES["rotation_30"](Image.fromarray(levels), 0))
    assert turned.shape == (101, 101, 3)
    assert (turned[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    rows, columns = np.nonzero(turned[..., 0] < 128)
    assert rows.mean() == pytest.approx(50 - 40 * np.sin(np.pi / 6), abs=1)
    assert columns.mean() == pytest.approx(50 + 40 * np.cos(np.pi / 6), abs=1)


def test_a_plain_picture_stays_plain_when_turned() -> None:
    plain = Image.new("RGB", (37, 11), (10, 200, 60))
    assert np.array_equal(pixels(CHANGES["rotation_30"](plain, 0)), pixels(plain))


def test_a_changed_picture_keeps_digest_and_name() -> None:
    original = picture()
    turned = changed(original, "rotation_90")
    assert (turned.digest, turned.name) == (original.digest, original.name)
    assert (turned.width, turned.height) == (40, 60)
    assert np.array_equal(pixels(to_rgb(turned)), np.rot90(pixels(image())))


def test_no_change_gives_the_very_picture() -> None:
    original = picture()
    assert changed(original, "none") is original


def test_each_picture_gets_its_own_noise_and_always_the_same() -> None:
    one, other = picture(0), picture(1)
    noise = [pixels(to_rgb(changed(item, "noise", seed=5))).astype(int) for item in (one, other, one)]
    assert np.array_equal(noise[0], noise[2])
    middle = pixels(image(seed=0)).astype(int), pixels(image(seed=1)).astype(int)
    assert not np.array_equal(noise[0] - middle[0], noise[1] - middle[1])
    assert not np.array_equal(pixels(to_rgb(changed(one, "noise", seed=6))), noise[0])


def test_an_unknown_change_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=r"no change 'sharpen' .* none, rotation_30, rotation_90"):
        change_named("sharpen")
    with pytest.raises(InputError, match="no change 'sharpen'"):
        changed(picture(), "sharpen")
