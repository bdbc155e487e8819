"""Depth, transparency and orientation: a model is sent what the encoder sees, and both see something."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from mmad_rag.images import open_image, to_rgb
from mmad_rag.images.depth import full_scale
from mmad_rag.records import MediaType
from tests.images.files import Levels, chunk, disc, encoded, exif, png16, png_chunks, shown, tiff

WIDTHS = ((200, 255), (900, 1023), (3276, 4095), (12_000, 16_383), (52_428, 65_535))
"""Largest level of an image -> the level that means white."""


def seen(data: bytes) -> npt.NDArray[np.int64]:
    """What the encoder sees, which must be what a model is sent."""
    image = open_image(data)
    levels = np.asarray(to_rgb(image)).astype(np.int64)
    assert np.array_equal(levels, shown(image.data))
    return levels


def as_eight_bit(levels: Levels, white: float) -> npt.NDArray[np.int64]:
    scaled = np.clip(np.asarray(levels, np.float64) / white * 255, 0, 255).round().astype(np.int64)
    return scaled if scaled.ndim == 3 else np.repeat(scaled[..., None], 3, axis=2)


@pytest.mark.parametrize(("largest", "white"), WIDTHS)
@pytest.mark.parametrize("kind", ["png", "png rgb", "png rgba", "png la", "tiff", "tiff big", "tiff rgb"])
def test_levels_of_any_camera_depth_become_8_bits(kind: str, largest: int, white: int) -> None:
    grey = disc(largest // 3, largest).astype(np.uint16)
    rgb = np.dstack([grey, grey // 2, grey // 3])
    alpha = np.full((*grey.shape, 1), 65_535, np.uint16)
    data, levels = {
        "png": (png16(grey), grey),
        "png rgb": (png16(rgb), rgb),
        "png rgba": (png16(np.dstack([rgb, alpha])), rgb),
        "png la": (png16(np.dstack([grey, alpha])), grey),
        "tiff": (tiff(grey), grey),
        "tiff big": (tiff(grey, order=">"), grey),
        "tiff rgb": (tiff(rgb), rgb),
    }[kind]
    assert np.array_equal(seen(data), as_eight_bit(levels, white))
    assert open_image(data).media_type is MediaType.PNG


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
def test_both_bytes_of_16_bit_colours_are_read(order: Literal["<", ">"], planar: bool) -> None:
    rgb = np.dstack([disc(1000, 3000), disc(900, 2000), disc(17, 301)]).astype(np.uint16)
    assert np.array_equal(seen(tiff(rgb, order=order, planar=planar)), as_eight_bit(rgb, 4095))
    assert np.array_equal(seen(tiff(rgb, order=order, deflated=True)), as_eight_bit(rgb, 4095))


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate"])
def test_a_compressed_tiff_is_read_alike(compression: str) -> None:
    grey = disc(1000, 3000).astype(np.uint16)
    data = encoded(Image.fromarray(grey), "TIFF", compression=compression)
    assert np.array_equal(seen(data), as_eight_bit(grey, 4095))


def test_what_the_file_states_of_its_scale_is_used() -> None:
    dark = disc(100, 600).astype(np.uint16)
    assert np.array_equal(seen(png16(dark, chunk(b"sBIT", b"\x0c"))), as_eight_bit(dark, 4095))
    assert np.array_equal(seen(png16(dark, chunk(b"sBIT", b"\x10"))), as_eight_bit(dark, 65_535))
    assert np.array_equal(seen(png16(dark, chunk(b"sBIT", b"\x08"))), as_eight_bit(dark, 1023))
    rgb = np.dstack([dark] * 3)
    assert np.array_equal(seen(png16(rgb, chunk(b"sBIT", b"\x0c\x0c\x0c"))), as_eight_bit(rgb, 4095))
    stated = tiff(dark, entries={281: (3, [2000])})
    assert np.array_equal(seen(stated), as_eight_bit(dark, 2000))
    floats = tiff((dark / 10).astype(np.float32), entries={341: (11, [400.0])})
    assert np.array_equal(seen(floats), as_eight_bit(dark / 10, 400))


def test_whole_numbers_of_32_bits_and_with_a_sign() -> None:
    grey = disc(1000, 3000)
    assert np.array_equal(seen(tiff(grey.astype(np.int32))), as_eight_bit(grey, 4095))
    assert np.array_equal(seen(tiff(grey.astype(np.int16) - 1000)), as_eight_bit(grey - 1000, 4095))
    large = disc(0, 1_500_000_000).astype(np.uint32) * np.uint32(2)
    assert seen(tiff(large)).max() == 255
    assert seen(tiff(large)).min() == 0


def test_white_may_be_zero() -> None:
    grey = disc(1000, 3000).astype(np.uint16)
    assert np.array_equal(seen(tiff(grey, entries={262: (3, [0])})), 255 - as_eight_bit(grey, 4095))


@pytest.mark.parametrize("factor", [1.0, 1000.0, 60_000.0])
@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1.001])
def test_one_odd_pixel_changes_no_other(factor: float, odd: float) -> None:
    grey = (disc(30, 80) / 100 * factor).astype(np.float32)
    clean = seen(tiff(grey))
    assert clean.max() > 150
    grey[0, 0] = odd
    changed = seen(tiff(grey))
    changed[0, 0] = clean[0, 0]
    assert np.array_equal(changed, clean)


@given(st.floats(0.05, 1e6))
def test_no_scale_of_floats_turns_an_image_black(largest: float) -> None:
    assert largest <= full_scale(largest, floats=True)
    if largest > 255 or 1 <= largest <= 16:
        assert largest / full_scale(largest, floats=True) > 0.24


def test_there_is_no_cliff_at_one() -> None:
    at, above = (seen(tiff((disc(30, 100) / 100 * top).astype(np.float32))) for top in (1.0, 1.01))
    assert np.abs(at - above).max() <= 1


def test_floats_without_a_finite_pixel_are_opened() -> None:
    assert seen(tiff(np.full((4, 4), np.nan, np.float32))).max() == 0


# ------------------------------------------------------------------------------------------- transparency


@pytest.mark.parametrize("kind", ["RGBA", "LA", "BMP", "WEBP", "16 bits", "16 bits LA", "palette", "TIFF"])
def test_an_alpha_channel_of_zeros_is_ignored(kind: str) -> None:
    grey = disc(76, 204)
    flat = Image.fromarray(np.dstack([grey, grey, grey, grey * 0]).astype(np.uint8))
    wide = (grey * 257).astype(np.uint16)
    data = {
        "RGBA": lambda: encoded(flat, "PNG"),
        "LA": lambda: encoded(flat.convert("LA"), "PNG"),
        "BMP": lambda: encoded(flat, "BMP"),
        "WEBP": lambda: encoded(flat, "WEBP", lossless=True, exact=True),
        "16 bits": lambda: png16(np.dstack([wide, wide, wide, wide * 0])),
        "16 bits LA": lambda: png16(np.dstack([wide, wide * 0])),
        "palette": lambda: encoded(flat.getchannel(0).convert("P"), "PNG", transparency=bytes(256)),
        "TIFF": lambda: encoded(flat, "TIFF"),
    }[kind]()
    assert np.array_equal(seen(data), np.dstack([grey] * 3))


def test_partial_transparency_is_laid_over_white_before_it_is_sent() -> None:
    levels = np.zeros((2, 2, 4), np.uint8)
    levels[0, 0] = (200, 0, 0, 255)
    levels[1, 1] = (0, 0, 0, 128)
    result = seen(encoded(Image.fromarray(levels), "PNG"))
    assert result.tolist() == [[[200, 0, 0], [255, 255, 255]], [[255, 255, 255], [127, 127, 127]]]
    wide = (levels.astype(np.uint16) * 257).astype(np.uint16)
    assert np.array_equal(seen(png16(wide)), result)


def test_a_transparent_level_of_16_bits_is_laid_over_white() -> None:
    grey = disc(1000, 3000).astype(np.uint16)
    levels = seen(png16(grey, chunk(b"tRNS", (1000).to_bytes(2))))
    assert set(levels[..., 0].ravel().tolist()) == {255, round(3000 / 4095 * 255)}
    rgb = np.dstack([grey] * 3)
    assert np.array_equal(seen(png16(rgb, chunk(b"tRNS", (1000).to_bytes(2) * 3))), levels)


def test_an_opaque_image_is_sent_byte_for_byte() -> None:
    image = Image.fromarray(disc(60, 200).astype(np.uint8))
    for data in (
        encoded(image.convert("RGBA"), "PNG"),
        encoded(image.convert("LA"), "PNG"),
        encoded(image.convert("P"), "PNG"),
        encoded(image.convert("1"), "PNG"),
        encoded(image, "JPEG"),
        encoded(image.convert("RGB"), "MPO", save_all=True, append_images=[image.convert("RGB")]),
        encoded(image.convert("RGBA"), "WEBP"),
        encoded(image.convert("RGB"), "PNG", exif=exif(1), icc_profile=b"odd"),
        encoded(image, "GIF", save_all=True, append_images=[image.rotate(90)]),
    ):
        assert open_image(data).data == data
        seen(data)


# -------------------------------------------------------------------------------------------- orientation

TURNS: dict[int, Callable[[Levels], Levels]] = {
    2: lambda levels: levels[:, ::-1],
    3: lambda levels: levels[::-1, ::-1],
    4: lambda levels: levels[::-1],
    5: lambda levels: np.swapaxes(levels, 0, 1),
    6: lambda levels: np.rot90(levels, -1),
    7: lambda levels: np.swapaxes(levels[::-1, ::-1], 0, 1),
    8: np.rot90,
}
SMOOTH = np.asarray(Image.radial_gradient("L").resize((100, 70)).crop((0, 0, 90, 52)).convert("RGB"))


@pytest.mark.parametrize("orientation", sorted(TURNS))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "MPO", "grey JPEG"])
@pytest.mark.parametrize("odd", [False, True])
def test_a_turned_image_is_upright_in_its_own_format(kind: str, orientation: int, odd: bool) -> None:
    stored = SMOOTH[:48, :80] if orientation % 2 else SMOOTH
    image = Image.fromarray(stored)
    data = {
        "PNG": lambda: png_chunks(encoded(image, "PNG"), chunk(b"eXIf", exif(orientation, odd=odd)[6:])),
        "JPEG": lambda: encoded(image, "JPEG", exif=exif(orientation, order=">", odd=odd)),
        "WEBP": lambda: encoded(image, "WEBP", quality=90, exif=exif(orientation, odd=odd)),
        "TIFF": lambda: tiff(stored, entries={274: (3, [orientation]), 270: (3 if odd else 1, [1] * 5)}),
        "MPO": lambda: encoded(
            image, "MPO", save_all=True, append_images=[image], exif=exif(orientation, odd=odd)
        ),
        "grey JPEG": lambda: encoded(image.convert("L"), "JPEG", exif=exif(orientation, odd=odd)),
    }[kind]()
    opened = open_image(data)
    wanted = TURNS[orientation](stored).astype(np.int64)
    levels = seen(data)
    assert levels.shape == wanted.shape == (opened.height, opened.width, 3)
    assert np.abs(levels - wanted).max() <= (0 if kind in ("PNG", "TIFF") else 12)
    form = {"TIFF": "png", "MPO": "jpeg", "grey JPEG": "jpeg"}.get(kind, kind.lower())
    assert opened.media_type.value == f"image/{form}"
    assert b"Exif" not in opened.data
    assert Image.open(io.BytesIO(opened.data)).getexif() == {}
    assert len(opened.data) < 1.6 * len(data) + 500


@pytest.mark.parametrize(("size", "most"), [((96, 64), 0.3), ((90, 52), 1.6)])
@pytest.mark.parametrize("orientation", sorted(TURNS))
def test_a_turned_photograph_loses_next_to_nothing(
    orientation: int, size: tuple[int, int], most: float
) -> None:
    """Means of absolute differences in levels; encoded again at the file's own quality, it loses 2 to 3."""
    noise = np.random.default_rng(3).normal(128, 40, (size[1], size[0], 3))
    image = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    tables = {"qtables": [[16 + 2 * (n % 8) + n // 8 for n in range(64)]] * 2, "subsampling": 2}
    data = encoded(image, "JPEG", exif=exif(orientation), **tables)
    loss = np.abs(seen(data) - TURNS[orientation](shown(data)).astype(np.int64)).mean()
    assert loss < most


def test_ink_is_sent_as_rgb() -> None:
    data = encoded(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG")
    opened = open_image(data)
    assert (opened.media_type, Image.open(io.BytesIO(opened.data)).mode) == (MediaType.JPEG, "RGB")
    assert np.abs(seen(data) - (255, 0, 0)).max() < 6


# ----------------------------------------------------------------------------------- what can be generated


@given(
    st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I", "F", "I;16"]),
    st.sampled_from(["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"]),
    st.integers(1, 8),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=200)
@pytest.mark.slow
def test_whatever_is_generated_a_model_is_sent_what_the_encoder_sees(
    mode: str, kind: str, orientation: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    size = (int(random.integers(1, 40)), int(random.integers(1, 40)))
    if mode in ("I", "F", "I;16"):
        top = float(random.choice([1.0, 1.5, 200.0, 4000.0, 65_535.0]))
        kinds = {"I": np.int32, "F": np.float32, "I;16": np.uint16}
        image = Image.fromarray((random.random(size[::-1]) * top).astype(kinds[mode]))
    else:
        image = Image.fromarray(random.integers(0, 256, (*size[::-1], 4), dtype=np.uint8))
        image = (image.convert("RGB") if mode in ("LAB", "CMYK", "P", "1") else image).convert(mode)
    written = {"exif": exif(orientation)} if kind in ("PNG", "JPEG", "WEBP") else {}
    try:
        data = encoded(image, kind, **written)
    except (OSError, ValueError, KeyError):  # the format does not have the mode
        return
    opened = open_image(data)
    assert np.array_equal(np.asarray(to_rgb(opened)), shown(opened.data))
    turned = bool(written) and orientation > 4
    assert (opened.width, opened.height) == (size[::-1] if turned else size)


# ------------------------------------------------------------------------------------------ black or white


@pytest.mark.parametrize(
    ("levels", "told"),
    [
        (np.full((40, 40, 3), 3, np.uint8), "as good as black"),
        (np.full((40, 40, 3), 254, np.uint8), "as good as white"),
        (np.full((40, 40, 3), (3, 3, 90), np.uint8), ""),
        (disc(10, 90).astype(np.uint8), ""),
    ],
)
def test_a_blank_image_is_told_once(levels: Levels, told: str, caplog: pytest.LogCaptureFixture) -> None:
    data = encoded(Image.fromarray(levels), "PNG", compress_level=9)
    with caplog.at_level(logging.WARNING, "mmad_rag.images"):
        for name in ("first.png", "second.png"):
            open_image(data, name=name)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == bool(told)
    assert all(f"the image first.png is {told}" in message for message in messages)
