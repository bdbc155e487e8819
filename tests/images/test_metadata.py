"""No metadata of an image stop it, neither here nor at a server that is sent it."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from mmad_rag.errors import ImageError
from mmad_rag.images import open_image, to_rgb
from tests.images.files import chunk, disc, encoded, exif, png16, shown, tiff

DISC = Image.fromarray(disc(76, 204).astype(np.uint8)).convert("RGB")
PNG, JPEG = encoded(DISC, "PNG"), encoded(DISC, "JPEG")


LONG = b"x" * (PngImagePlugin.MAX_TEXT_CHUNK * 2)
ODD_PNG = [
    chunk(b"eXIf", b"Exif\0\0\0\x08\0\x02\x01\x12\0\x03"),
    chunk(b"eXIf", exif(6)[6:-6]),
    chunk(b"eXIf", b""),
    chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG)),
    chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(LONG)),
    chunk(b"iTXt", b"a\0\1\7\0\0" + b"no stream"),
    chunk(b"tEXt", b"Raw profile type exif\0\nexif\n  zz\nnot hex"),
    chunk(b"iCCP", b"icc\0\0" + zlib.compress(LONG)),
    chunk(b"iCCP", b"icc\0\1"),
    chunk(b"gAMA", b"\0"),
    chunk(b"cHRM", b"\0\0"),
    chunk(b"pHYs", b"\0"),
    chunk(b"sRGB", b""),
    chunk(b"tRNS", b"\0"),
    chunk(b"sBIT", b""),
    chunk(b"tIME", b"x"),
    chunk(b"acTL", b"\0"),
    chunk(b"tEXt", b"a\0b")[:-4] + bytes(4),
]


@pytest.mark.parametrize("odd", ODD_PNG)
@pytest.mark.parametrize("place", [33, -12])
def test_no_metadata_of_a_png_stop_it(odd: bytes, place: int) -> None:
    data = PNG[:place] + odd + PNG[place:]
    opened = open_image(data)
    assert np.array_equal(np.asarray(to_rgb(opened)), np.asarray(DISC))
    assert np.array_equal(shown(opened.data), np.asarray(DISC))


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2) + content


@pytest.mark.parametrize(
    "odd",
    [
        segment(0xE1, b"Exif\0\0"),
        segment(0xE1, b"Exif\0\0MM\0*\0\0\0"),
        segment(0xE1, b"Exif\0\0garbage"),
        segment(0xE1, exif(6, odd=True)[:20]),
        segment(0xE0, b"JFIF\0"),
        segment(0xEE, b"Adobe"),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xE2, b"MPF\0MM\0*\0\0\0\x08\0\x09"),
        segment(0xED, b"Photoshop 3.0\x008BIM\4"),
        segment(0xFE, b""),
        segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0tiff:Orientation="9"'),
    ],
)
def test_no_metadata_of_a_jpeg_stop_it(odd: bytes) -> None:
    opened = open_image(JPEG[:2] + odd + JPEG[2:])
    assert np.array_equal(np.asarray(to_rgb(opened)), shown(JPEG))
    assert np.array_equal(shown(opened.data), shown(JPEG))


@pytest.mark.parametrize("head", [b"", segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")])
def test_the_colours_of_a_jpeg_stay_as_its_head_names_them(head: bytes) -> None:
    """Components called R, G, B are YCbCr in JFIF, and RGB by Adobe's transform 0."""
    data = encoded(Image.new("RGB", (16, 16), (200, 60, 20)), "JPEG")
    at, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
    renamed = bytearray(data)
    for number, name in enumerate(b"RGB"):
        renamed[at + 10 + 3 * number] = renamed[scan + 5 + 2 * number] = name
    plain = bytes(renamed[:2]) + head + bytes(renamed[20:] if head else renamed[2:])
    odd = plain[:2] + segment(0xE0, b"JFIF\0") + plain[2:]
    assert np.array_equal(shown(open_image(odd).data), shown(plain))
    assert np.array_equal(np.asarray(to_rgb(open_image(odd))), shown(plain))


def test_no_tag_of_a_tiff_stops_it() -> None:
    grey = disc(76, 204).astype(np.uint8)
    odd: dict[int, tuple[int, list[float]]] = {
        270: (3, [1] * 9),
        282: (3, [7]),
        283: (12, [float("nan")]),
        296: (12, [3.5]),
        34_665: (4, [0xFFFFFF]),
        34_675: (12, [1.0]),
        700: (3, [5]),
        33_432: (11, [1.0]),
    }
    for data in (tiff(grey, entries=odd), tiff(grey, order=">", entries=odd)):
        levels = np.asarray(to_rgb(open_image(data)))
        assert np.array_equal(levels, np.dstack([grey] * 3))


def test_a_damaged_exif_of_a_webp_is_left_out() -> None:
    opened = open_image(encoded(DISC, "WEBP", lossless=True, exif=b"Exif\0\0nothing"))
    with Image.open(io.BytesIO(opened.data)) as image:
        assert image.getexif() == {}
    assert np.array_equal(shown(opened.data), np.asarray(DISC))


@pytest.mark.parametrize("cut", [5, 20, 60, 120])
@pytest.mark.parametrize(
    "data", [PNG, JPEG, encoded(DISC, "GIF"), encoded(DISC, "TIFF"), png16(disc(9, 900))]
)
def test_a_truncated_file_stays_refused(data: bytes, cut: int) -> None:
    with pytest.raises(ImageError, match="cannot be read"):
        open_image(data[:-cut])
