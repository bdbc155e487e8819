"""One gate for images: only six formats, no metadata that stops it, and no error but our own."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image, ImageFile

from mmad_rag.errors import ImageError
from mmad_rag.images import open_image, to_rgb
from mmad_rag.images.decode import pixels_stated
from tests.images.files import disc, encoded, exif, png16, shown, tiff
from tests.support.shared import SHARED

CASES = SHARED / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"the collected cases are not at {CASES}")
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n%%EOF\n"
DISC = Image.fromarray(disc(76, 204).astype(np.uint8)).convert("RGB")
PNG, JPEG, WEBP = encoded(DISC, "PNG"), encoded(DISC, "JPEG"), encoded(DISC, "WEBP", lossless=True)
OTHERS = [
    EPS,
    b"\xc5\xd0\xd3\xc6" + bytes(28) + EPS,
    encoded(DISC, "PPM"),
    encoded(DISC, "JPEG2000"),
    encoded(DISC, "TGA"),
    encoded(DISC, "ICO"),
    encoded(DISC, "PCX"),
    encoded(DISC, "DDS"),
    encoded(DISC, "ICNS"),
    encoded(DISC, "SGI"),
    b"\x00\x00\x00\x1cftypavif" + bytes(100),
]


@pytest.mark.parametrize("data", OTHERS)
def test_no_other_decoder_is_tried(data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*_values: object, **_options: object) -> None:
        raise AssertionError("a process or the EPS decoder was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", called)
    monkeypatch.setattr(EpsImagePlugin.EpsImageFile, "_open", called)
    monkeypatch.setattr(subprocess, "Popen", called)
    path = tmp_path / "probe.png"
    path.write_bytes(data)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    for source in (data, path, str(path), url):
        with pytest.raises(ImageError, match="not an image of a known format"):
            open_image(source)
    assert pixels_stated(data) == 0


def test_each_file_is_shown_to_the_decoder_of_its_format_only(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    whole = Image.open

    def noted(file: io.BytesIO, *, formats: list[str] | None = None) -> Image.Image:
        asked.append(formats)
        return whole(file, formats=formats)

    monkeypatch.setattr(Image, "open", noted)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        asked.clear()
        opened = open_image(encoded(DISC, kind))
        pixels_stated(opened.data)
        assert asked
        assert all(formats in ([kind], ["PNG"]) for formats in asked)


def test_a_lazy_eps_of_pillow_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "check_call", lambda *_args, **_options: pytest.fail("a process started"))
    with pytest.raises(ImageError, match="is not run"):
        open_image(Image.open(io.BytesIO(EPS)))


def test_opening_imports_no_plug_in_that_is_not_needed() -> None:
    code = (
        "import io, sys, mmad_rag.images as images\n"
        "for data in eval(sys.stdin.read()): images.open_image(data)\n"
        "print(*(name for name in sys.modules if name in ('PIL.EpsImagePlugin', 'PIL.WmfImagePlugin')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=repr([PNG, JPEG, WEBP]),
        text=True,
        capture_output=True,
        check=True,
    )
    assert done.stdout.strip() == ""


# ------------------------------------------------------------------------------------------ nothing else out

SEEDS = [
    encoded(DISC.resize((16, 12)), "PNG", exif=exif(6), icc_profile=bytes(50)),
    encoded(DISC.resize((16, 12)), "JPEG", exif=exif(6, odd=True), comment=b"c", icc_profile=bytes(50)),
    encoded(DISC.resize((16, 12)).convert("CMYK"), "JPEG"),
    encoded(DISC.resize((16, 12)), "MPO", save_all=True, append_images=[DISC.resize((16, 12))]),
    encoded(DISC.resize((16, 12)), "WEBP", exif=exif(3)),
    encoded(DISC.resize((16, 12)).convert("P"), "GIF", comment=b"c", transparency=3),
    encoded(DISC.resize((16, 12)).convert("RGBA"), "BMP"),
    encoded(DISC.resize((16, 12)).quantize(16), "PNG", transparency=bytes(range(0, 160, 10))),
    encoded(DISC.resize((16, 12)), "TIFF", compression="tiff_lzw", exif=exif(8)),
    encoded(DISC.resize((16, 12)), "TIFF", big_tiff=True),
    tiff(np.dstack([disc(9, 4000)[:9, :12]] * 3).astype(np.uint16), planar=True),
    tiff((disc(9, 4000)[:9, :12] / 77).astype(np.float32)),
    png16(np.dstack([disc(9, 4000)[:9, :12]] * 4)),
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 3), st.binary(max_size=4)), max_size=6),
)
@settings(max_examples=400, deadline=None)
@pytest.mark.slow
def test_mutated_files_are_opened_or_refused_and_nothing_else_comes_out(
    data: bytes, changes: list[tuple[int, int, bytes]]
) -> None:
    damaged = bytearray(data)
    for place, removed, put in changes:
        at = place % (len(damaged) + 1)
        damaged[at : at + removed] = put
    pixels_stated(bytes(damaged))
    try:
        opened = open_image(bytes(damaged))
    except ImageError:
        return
    assert to_rgb(opened).size == (opened.width, opened.height)


@pytest.mark.parametrize(
    "error",
    [
        *(SyntaxError("x"), ValueError("x"), OSError("x"), OverflowError("x"), MemoryError()),
        *(ZeroDivisionError("x"), KeyError("x"), RecursionError("x"), AssertionError("x"), EOFError("x")),
        Image.DecompressionBombError("x"),
        struct.error("x"),
    ],
)
@pytest.mark.parametrize("place", ["open", "load", "convert"])
def test_whatever_pillow_raises_only_our_error_leaves(
    error: Exception, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_values: object, **_options: object) -> None:
        raise error

    opened = open_image(encoded(DISC.convert("L"), "PNG"))
    ink = encoded(DISC.convert("CMYK"), "TIFF")
    where = {"open": Image, "load": ImageFile.ImageFile, "convert": Image.Image}[place]
    monkeypatch.setattr(where, place, broken)
    with pytest.raises(ImageError):
        to_rgb(opened)
    with pytest.raises(ImageError):
        open_image(ink)


def test_a_lazy_pillow_image_that_is_truncated_is_refused() -> None:
    with pytest.raises(ImageError, match="<Pillow image> cannot be read"):
        open_image(Image.open(io.BytesIO(JPEG[:-200])))


def test_a_pillow_image_of_a_turned_file_is_turned_as_the_file_is() -> None:
    data = encoded(DISC, "PNG", exif=exif(6))
    assert open_image(Image.open(io.BytesIO(data))).width == open_image(data).width == 48
    odd = DISC.copy()
    odd.info["icc_profile"] = 7
    assert np.array_equal(np.asarray(to_rgb(open_image(odd))), np.asarray(DISC))


# --------------------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize(
    "data", [PNG, JPEG, WEBP, encoded(DISC, "GIF"), encoded(DISC, "TIFF"), encoded(DISC, "BMP")]
)
def test_bare_base64_is_named_and_not_repeated(data: bytes) -> None:
    for text in (base64.b64encode(data * 40).decode(), base64.urlsafe_b64encode(data).decode()):
        with pytest.raises(ImageError, match="in base64 and not a path; write it as a data URL") as caught:
            open_image(text)
        assert len(str(caught.value)) <= 200


@pytest.mark.parametrize(
    "text", ["a" * 10_000, "a/" * 5000, "x\0y" + "z" * 500, "no/such/" + "d" * 190 + ".png"]
)
def test_no_message_repeats_a_long_text(text: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(text)
    assert len(str(caught.value)) <= 240


def test_a_device_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmad_rag.images.open.MAX_BYTES", 1000)
    with pytest.raises(ImageError, match="larger than 1,000 bytes"):
        open_image("/dev/zero")


# -------------------------------------------------------------------------------- the collected cases


@needs_cases
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("04_16bit_png_sent_as_is/disc_16bit.png", 76, 204),
        ("05_12bit_in_16bit/disc_mono12.tif", 76, 204),
        ("05_12bit_in_16bit/disc_float_0_1000.tif", 75, 199),
        ("13_alpha_zero/disc_alpha0.png", 76, 204),
        ("21_png_text_chunk/disc_1mb_xmp.png", 76, 204),
        ("25_nonfinite_float_tiff/disc_one_nan.tif", 0, 204),
        ("03_odd_exif/png_exif_without_tiff_head.png", 60, 120),
    ],
)
def test_a_collected_case_shows_what_it_shows(name: str, low: int, high: int) -> None:
    opened = open_image(CASES / name)
    levels = shown(opened.data)
    assert (levels.min(), levels.max()) == (low, high)
    assert np.array_equal(np.asarray(to_rgb(opened)), levels)


@needs_cases
def test_collected_turned_files_stay_jpeg_and_stand_upright() -> None:
    sizes = {"03_odd_exif/rotated_wrong_tag_type.jpg": (48, 64), "23_exif_png_blowup/turned.jpg": (400, 600)}
    for name, size in sizes.items():
        opened = open_image(CASES / name)
        assert (opened.width, opened.height, opened.media_type.value) == (*size, "image/jpeg")
        assert len(opened.data) <= 1.05 * (CASES / name).stat().st_size


@needs_cases
@pytest.mark.slow
def test_memory_stays_bounded_for_49_million_pixels_of_16_bits() -> None:
    """The peak is that of the program: `ru_maxrss` would also hold that of the process that started it."""
    code = (
        "import re, sys\nfrom pathlib import Path\nfrom mmad_rag.images import open_image\n"
        "open_image(sys.argv[1])\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)"
    )
    path = str(CASES / "attack" / "png_7000x7000_16bit.png")
    done = subprocess.run([sys.executable, "-c", code, path], text=True, capture_output=True, check=True)
    assert int(done.stdout) < 400


@needs_cases
def test_the_collected_eps_is_refused_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "probe.png"
    path.write_bytes((CASES / "attack" / "probe.eps").read_bytes())
    with pytest.raises(ImageError, match="not an image of a known format"):
        open_image(path)
