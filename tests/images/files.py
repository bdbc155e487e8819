"""Write small image files, also in forms that Pillow does not write."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

Levels = npt.NDArray[np.generic]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def shown(data: bytes) -> npt.NDArray[np.int64]:
    """What a server shows a model that opens the bytes with Pillow, as most do; levels (h, w, 3)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # damaged EXIF is told in this way
        image = Image.open(io.BytesIO(data))
        return np.asarray(image.convert("RGB")).astype(np.int64)


def disc(low: int, high: int) -> npt.NDArray[np.int64]:
    """A bright disc on a darker ground, shape (48, 64)."""
    y, x = np.mgrid[:48, :64]
    return np.where((x - 32) ** 2 + (y - 24) ** 2 < 200, high, low)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_chunks(data: bytes, *extra: bytes) -> bytes:
    """A PNG with further chunks behind its header, which has 33 bytes."""
    return data[:33] + b"".join(extra) + data[33:]


def png16(levels: Levels, *extra: bytes) -> bytes:
    """A PNG of 16 bits: grey (h, w), grey and alpha (h, w, 2), RGB (h, w, 3) or RGBA (h, w, 4)."""
    height, width = levels.shape[:2]
    colours = {1: 0, 2: 4, 3: 2, 4: 6}[1 if levels.ndim == 2 else levels.shape[2]]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    head = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    body = (chunk(b"IHDR", head), *extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


Entries = Mapping[int, tuple[int, Sequence[float]]]
"""Number of a tag -> its type and values."""
_CODES = {1: "B", 3: "H", 4: "I", 11: "f", 12: "d"}


def tiff(
    levels: Levels,
    *,
    order: Literal["<", ">"] = "<",
    planar: bool = False,
    deflated: bool = False,
    entries: Entries | None = None,
) -> bytes:
    """A TIFF of the levels, (h, w) or (h, w, 3 or 4), in the depth and kind of the array; planes stay raw."""
    height, width = levels.shape[:2]
    channels = 1 if levels.ndim == 2 else levels.shape[2]
    data = levels.astype(levels.dtype.newbyteorder(order)).tobytes()
    if planar:
        data = np.moveaxis(levels, 2, 0).astype(levels.dtype.newbyteorder(order)).tobytes()
    data = zlib.compress(data) if deflated else data
    planes, kind = (channels if planar else 1), {"u": 1, "i": 2, "f": 3}[levels.dtype.kind]
    tags: dict[int, tuple[int, Sequence[float]]] = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [levels.dtype.itemsize * 8] * channels),
        259: (3, [8 if deflated else 1]),
        262: (3, [1 if channels == 1 else 2]),
        273: (4, [0] * planes),
        277: (3, [channels]),
        278: (4, [height]),
        279: (4, [len(data) // planes] * planes),
        284: (3, [2 if planar else 1]),
        339: (3, [kind] * channels),
        **(entries or {}),
    }
    if channels == 4 and 338 not in tags:
        tags[338] = (3, [2])
    start = 8 + 2 + 12 * len(tags) + 4
    beside = sum(size for size in (_size(tag) for tag in tags.values()) if size > 4)
    tags[273] = (4, [start + beside + number * (len(data) // planes) for number in range(planes)])
    directory, values = b"", b""
    for number, (code, numbers) in sorted(tags.items()):
        raw = struct.pack(f"{order}{len(numbers)}{_CODES[code]}", *numbers)
        place = struct.pack(order + "I", start + len(values)) if len(raw) > 4 else raw.ljust(4, b"\0")
        values += raw if len(raw) > 4 else b""
        directory += struct.pack(order + "HHI", number, code, len(numbers)) + place
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(tags))
    return head + directory + bytes(4) + values + data


def _size(tag: tuple[int, Sequence[float]]) -> int:
    return struct.calcsize(_CODES[tag[0]]) * len(tag[1])


def exif(orientation: int, *, order: str = "<", odd: bool = False) -> bytes:
    """EXIF with an orientation; if it is odd, with a tag of a wrong type before it."""
    entries = [struct.pack(order + "HHII", 258, 2, 9, 0xFFFF)] if odd else []
    entries.append(struct.pack(order + "HHIHH", 274, 3, 1, orientation, 0))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(entries) + bytes(4)
