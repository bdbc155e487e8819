"""Take the metadata out of an image file, and keep what they say of its pixels.

A decoder that gets no metadata cannot fail on them: damaged EXIF, texts of any length, colour profiles, tags
of a wrong type. What changes how the pixels are read stays in the file (palette, transparency, colour
transform) or is returned beside it (orientation, full scale).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from mmad_rag.images.formats import Format
from mmad_rag.images.tags import ORIENTATION, Directory, orientation_of


@dataclass(frozen=True, slots=True)
class PlainFile:
    """An image file without metadata."""

    data: bytes
    """The file; the given bytes where its structure is damaged, which the decoder reports better."""
    orientation: int = 1
    """EXIF's orientation, 1 (upright) to 8."""
    full_scale: float | None = None
    """The level that means white, where a file of more than 8 bits states it."""
    white_is_zero: bool = False
    """Whether level 0 means white in a TIFF."""
    unsigned: bool = False
    """Whether a TIFF says that its levels are whole numbers without sign."""
    order16: str = ""
    """Byte order, `L` (little) or `B` (big), of a file with 16 bits a sample; empty with any other depth."""


def plain_file(data: bytes, found: Format) -> PlainFile:
    """The file without metadata, and what they say of its pixels; damaged metadata say nothing."""
    readers = {Format.PNG: _png, Format.JPEG: _jpeg, Format.WEBP: _webp, Format.TIFF: _tiff}
    reader = readers.get(found)
    return PlainFile(data) if reader is None else reader(data)


_TEXT_BYTES = 1 << 20
"""Longest packet in which an orientation is looked for; it stands in the first few hundred bytes."""
_HEX = re.compile(rb"\s*exif\s+\d+\s+([0-9a-fA-F\s]+)")


def _png(data: bytes) -> PlainFile:
    """Keep the critical chunks and the transparency; a chunk is length, kind, content and checksum."""
    kept, exif, xmp, depth, colours, scale = [data[:8]], b"", b"", 0, 0, None
    ended = False
    for kind, start, end in _png_chunks(data):
        content = data[start:end]
        if kind == b"IHDR" and len(content) == 13:
            depth, colours = content[8], content[9]
        if kind == b"eXIf":
            exif = content
        elif kind in (b"tEXt", b"zTXt", b"iTXt"):
            keyword, text = _png_text(kind, content)
            xmp = text if keyword == b"XML:com.adobe.xmp" else xmp
            profile = _HEX.match(text) if keyword == b"Raw profile type exif" else None
            if profile is not None and not exif:
                digits = b"".join(profile[1].split())
                exif = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
        elif kind == b"sBIT" and depth == 16:
            bits = max(content[: 3 if colours & 2 else 1], default=0)
            scale = float(2**bits - 1) if 1 <= bits <= 16 else None
        critical = not kind[0] & 0x20
        if critical or (kind == b"tRNS" and _is_png_transparency(data[start - 4 : end + 4], colours)):
            kept.append(data[start - 8 : end + 4])
        ended = kind == b"IEND"
    return PlainFile(
        b"".join(kept) if ended else data,
        orientation_of(exif, xmp),
        scale,
        order16="B" if depth == 16 else "",
    )


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each chunk, up to the first that is not whole."""
    place = 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4])
        kind, start = data[place + 4 : place + 8], place + 8
        place = start + length + 4
        if place > len(data) or not kind.isalpha():
            return
        yield kind, start, start + length
        if kind == b"IEND":
            return


def _png_text(kind: bytes, content: bytes) -> tuple[bytes, bytes]:
    """Keyword and text, as bytes, of a text chunk; no text if it cannot be decompressed."""
    keyword, _, text = content.partition(b"\0")
    compressed = kind == b"zTXt"
    if kind == b"iTXt":
        compressed = text[:1] == b"\1"
        text = text[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif compressed:
        text = text[1:]
    if compressed and keyword in (b"XML:com.adobe.xmp", b"Raw profile type exif"):
        try:
            text = zlib.decompressobj().decompress(text, _TEXT_BYTES)
        except zlib.error:
            text = b""
    return keyword, text[:_TEXT_BYTES]


def _is_png_transparency(chunk: bytes, colours: int) -> bool:
    """Whether a chunk `tRNS`, kind to checksum, has the length of its colour type and is undamaged."""
    length = len(chunk) - 8
    fits = {0: length == 2, 2: length == 6, 3: 1 <= length <= 256}.get(colours, False)
    return fits and zlib.crc32(chunk[:-4]) == int.from_bytes(chunk[-4:])


def _jpeg(data: bytes) -> PlainFile:
    """Keep all segments but comments and application data; JFIF and Adobe stay, as they name the colours."""
    kept, exif, xmp = [data[:2]], b"", b""
    place = 2
    while True:
        while data[place : place + 2] == b"\xff\xff":
            place += 1
        marker = data[place + 1 : place + 2]
        length = max(2, int.from_bytes(data[place + 2 : place + 4]))
        end = place + 2 + length
        if data[place : place + 1] != b"\xff" or not marker or end > len(data):
            return PlainFile(data, orientation_of(exif, xmp))
        if marker == b"\xda":  # the first scan, after which only coded pixels follow
            return PlainFile(b"".join([*kept, data[place:]]), orientation_of(exif, xmp))
        content = data[place + 4 : end]
        if marker == b"\xe1" and content.startswith(b"Exif\0"):
            exif = exif or content
        elif marker == b"\xe1" and content.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
            xmp = xmp or content
        jfif = marker == b"\xe0" and content.startswith(b"JFIF\0") and len(content) >= 14
        adobe = marker == b"\xee" and content.startswith(b"Adobe") and len(content) >= 12
        if jfif or adobe or not (0xE0 <= marker[0] <= 0xEF or marker == b"\xfe"):
            kept.append(data[place:end])
        place = end


_WEBP_METADATA = {b"ICCP": 0x20, b"EXIF": 0x08, b"XMP ": 0x04}
"""Chunk -> its flag in the first chunk of an extended file."""


def _webp(data: bytes) -> PlainFile:
    """Keep the chunks that hold pixels."""
    kept, texts, place = [], {b"EXIF": b"", b"XMP ": b""}, 12
    while place + 8 <= len(data):
        kind, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        end = place + 8 + length + length % 2
        content = data[place + 8 : place + 8 + length]
        if kind in texts:
            texts[kind] = content
        if kind == b"VP8X" and length:
            flags = content[0] & ~sum(_WEBP_METADATA.values())
            kept.append(data[place : place + 8] + bytes([flags]) + data[place + 9 : end])
        elif kind not in _WEBP_METADATA:
            kept.append(data[place:end])
        place = end
    chunks = b"".join(kept)
    plain = data[:4] + (len(chunks) + 4).to_bytes(4, "little") + data[8:12] + chunks
    return PlainFile(plain if place == len(data) else data, orientation_of(texts[b"EXIF"], texts[b"XMP "]))


_PIXEL_TAGS = frozenset(
    {
        *(254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284),  # size, depth, strips
        *(
            292,
            293,
            317,
            320,
            322,
            323,
            324,
            325,
            332,
            334,
            338,
            339,
        ),  # coding, palette, tiles, samples
        *(347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 50674),  # JPEG, YCbCr, LERC
    }
)
"""The tags of a TIFF that say how its pixels are read."""
_MAX_SAMPLE, _LARGEST_SAMPLE, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT, _XMP_TAG = 281, 341, 258, 262, 339, 700


def _tiff(data: bytes) -> PlainFile:
    """Keep the first page and the tags that say how its pixels are read."""
    tags = Directory(data)
    stated = tags.numbers(_LARGEST_SAMPLE) or tags.numbers(_MAX_SAMPLE)
    bits = max(tags.numbers(_BITS), default=1.0)
    scale = max(stated, default=0.0)
    if not stated and 8 < bits < 16:
        scale = 2**bits - 1
    turned = tags.numbers(ORIENTATION)
    orientation = int(turned[0]) if turned and turned[0] in range(1, 9) else 1
    return PlainFile(
        tags.with_only(_PIXEL_TAGS),
        orientation if turned else orientation_of(b"", tags.text(_XMP_TAG)),
        float(scale) if 0 < scale < float("inf") else None,
        tags.numbers(_PHOTOMETRIC)[:1] == (0,),
        tags.numbers(_SAMPLE_FORMAT)[:1] in ((), (1,)),
        {b"II": "L", b"MM": "B"}[data[:2]] if set(tags.numbers(_BITS)) == {16} else "",
    )
