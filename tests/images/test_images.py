"""Images: every odd mode is opened or refused with one clear message."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mmad_rag.errors import ImageError
from mmad_rag.images import data_url, open_image, to_rgb
from mmad_rag.images import open as opening
from mmad_rag.records import MediaType
from tests.support.world import png


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def test_bytes_of_common_formats_are_kept_as_they_are() -> None:
    image = Image.new("RGB", (5, 3), "red")
    for kind, media_type in (
        ("PNG", "image/png"),
        ("JPEG", "image/jpeg"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
    ):
        data = encoded(image, kind)
        picture = open_image(data)
        assert picture.data == data
        assert picture.media_type == media_type
        assert (picture.width, picture.height) == (5, 3)
        assert picture.digest == hashlib.sha256(data).hexdigest()


def test_the_media_type_is_read_from_the_bytes_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "really_a_jpeg.png"
    path.write_bytes(encoded(Image.new("RGB", (4, 4)), "JPEG"))
    assert open_image(path).media_type is MediaType.JPEG


def test_other_formats_become_png_and_keep_the_digest_of_their_bytes() -> None:
    data = encoded(Image.new("RGB", (4, 2), "blue"), "BMP")
    picture = open_image(data)
    assert picture.media_type is MediaType.PNG
    assert picture.digest == hashlib.sha256(data).hexdigest()
    assert to_rgb(picture).getpixel((0, 0)) == (0, 0, 255)


def test_exif_rotation_is_applied_once() -> None:
    image = Image.new("RGB", (6, 2), "white")
    image.putpixel((0, 0), (255, 0, 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = open_image(encoded(image, "PNG", exif=exif.tobytes()))
    assert (picture.width, picture.height) == (2, 6)
    upright = to_rgb(picture)
    assert upright.size == (2, 6)
    assert upright.getpixel((1, 0)) == (255, 0, 0)
    assert to_rgb(open_image(picture.data)).getpixel((1, 0)) == (255, 0, 0)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    grey = np.array([[0, 32768, 65535]], np.uint16)
    picture = open_image(encoded(Image.fromarray(grey), "PNG"))
    assert [to_rgb(picture).getpixel((x, 0)) for x in range(3)] == [
        (0, 0, 0),
        (128, 128, 128),
        (255, 255, 255),
    ]


@pytest.mark.parametrize(
    ("values", "expected"), [([0.0, 255.0], 255), ([0.0, 65535.0], 255), ([0.0, 100.0], 100)]
)
def test_floating_point_greys_are_read_on_their_own_scale(values: list[float], expected: int) -> None:
    picture = open_image(Image.fromarray(np.array([values], np.float32)))
    assert to_rgb(picture).getpixel((1, 0)) == (expected,) * 3


def test_transparency_is_laid_over_white() -> None:
    image = Image.new("RGBA", (2, 2), (255, 0, 0, 0))
    image.putpixel((1, 0), (255, 0, 0, 255))
    picture = open_image(image)
    assert to_rgb(picture).getpixel((0, 0)) == (255, 255, 255)
    assert to_rgb(picture).getpixel((1, 0)) == (255, 0, 0)
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([10, 20, 30] * 256)
    palette.putpixel((0, 0), 1)
    assert to_rgb(open_image(encoded(palette, "PNG", transparency=0))).getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"])
def test_every_mode_of_pillow_becomes_rgb(mode: str) -> None:
    picture = open_image(Image.new(mode, (3, 3)))
    assert to_rgb(picture).mode == "RGB"


def test_cmyk_jpeg_is_kept_and_decodes_to_rgb() -> None:
    picture = open_image(encoded(Image.new("CMYK", (3, 3), (0, 255, 255, 0)), "JPEG"))
    assert picture.media_type is MediaType.JPEG
    red = to_rgb(picture).getpixel((1, 1))
    assert isinstance(red, tuple)
    assert red[0] > 200
    assert max(red[1:]) < 60


def test_arrays_and_pillow_images_are_pictures() -> None:
    pixels = np.zeros((4, 6, 3), np.uint8)
    pixels[..., 1] = 200
    assert open_image(pixels).width == 6
    assert to_rgb(open_image(pixels)).getpixel((0, 0)) == (0, 200, 0)
    assert open_image(pixels[..., 0]).height == 4
    assert open_image(open_image(pixels)) == open_image(pixels)


def test_a_data_url_holds_the_same_bytes() -> None:
    picture = open_image(png((1, 2, 3)))
    assert data_url(picture).startswith("data:image/png;base64,")
    assert open_image(data_url(picture)).digest == picture.digest


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (b"", "is empty"),
        (b"just text", r"<bytes> cannot be read \(it is not an image of a known format\); replace the file"),
        (png((9, 9, 9))[:-20], "cannot be read"),
        ("no/such/picture.png", "there is no image at"),
        ("data:image/png;base64,@@@", "base64"),
        ("data:image/png;base64," + base64.b64encode(b"text").decode(), "cannot be read"),
        (np.zeros((2, 2), np.float32), "is not an image"),
        (np.zeros((2, 2, 7), np.uint8), "is not an image"),
        (np.zeros((0, 2), np.uint8), "is not an image"),
        (17, "a int is not an image"),
    ],
)
def test_what_cannot_be_read_is_refused_with_advice(source: object, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        open_image(source)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError("<Decoder object at 0x7fAB12> gave up"), "(<Decoder object> gave up)"),
        (MemoryError(), "(MemoryError)"),
    ],
)
def test_no_message_names_a_place_in_memory(
    monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def broken(_file: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(Image, "open", broken)
    with pytest.raises(ImageError) as caught:
        open_image(png((1, 2, 3)))
    assert str(caught.value) == (f"the image <bytes> cannot be read {told}; it may be truncated or no image")


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="check the path"):
        open_image(tmp_path)


@pytest.mark.slow
def test_a_decompression_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = png((0, 0, 0), size=40)
    monkeypatch.setattr(opening, "MAX_PIXELS", 1000)
    with pytest.raises(ImageError, match="40x40 pixels"):
        open_image(data)
    huge = encoded(Image.new("1", (30_000, 30_000)), "PNG")
    assert len(huge) < 300_000
    with pytest.raises(ImageError, match="pixels; scale it down"):
        open_image(huge)


def test_a_file_of_too_many_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "big.png"
    path.write_bytes(png((5, 5, 5)))
    monkeypatch.setattr(opening, "MAX_BYTES", 10)
    with pytest.raises(ImageError, match="larger than 10 bytes"):
        open_image(path)
    with pytest.raises(ImageError, match="more than 10"):
        open_image(path.read_bytes())


def test_the_name_can_be_given() -> None:
    assert open_image(png((1, 1, 1)), name="frame 7").name == "frame 7"


@given(st.integers(0, 400), st.binary(max_size=8))
def test_damaged_bytes_are_opened_or_refused_never_anything_else(cut: int, junk: bytes) -> None:
    data = png((200, 10, 10), size=8)
    damaged = data[: cut % len(data)] + junk
    message = ""
    try:
        picture = open_image(damaged)
        assert to_rgb(picture).size == (picture.width, picture.height)
    except ImageError as error:
        message = str(error)
    assert "0x" not in message


@pytest.mark.parametrize("address", ["http://host/nut.png", "HTTPS://host/nut.png", "s3://bucket/nut.png"])
def test_an_address_is_not_fetched_and_the_message_says_so(address: str) -> None:
    with pytest.raises(ImageError, match=f"the image at '{address}' is not fetched; give its bytes"):
        open_image(address)


@pytest.mark.parametrize(("mode", "opened"), [("PA", "RGBA"), ("La", "RGBA"), ("RGBa", "RGBA")])
def test_pillow_images_of_rare_modes_are_taken(mode: str, opened: str) -> None:
    image = Image.new("RGBA", (4, 3), (10, 20, 30, 255))
    image = image.convert("P").convert("PA") if mode == "PA" else image
    image = image.convert("LA").convert("La") if mode == "La" else image
    image = image.convert("RGBa") if mode == "RGBa" else image
    assert image.mode == mode
    picture = open_image(image)
    assert (picture.width, picture.height, picture.media_type) == (4, 3, MediaType.PNG)
    assert Image.open(io.BytesIO(picture.data)).mode == opened
