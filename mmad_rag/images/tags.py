"""Read the tags of a TIFF structure, which TIFF files and EXIF share."""

from __future__ import annotations

import re
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass

ORIENTATION = 274
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_TYPES = {
    1: "B",
    3: "H",
    4: "I",
    6: "b",
    8: "h",
    9: "i",
    11: "f",
    12: "d",
    13: "I",
    16: "Q",
    17: "q",
    18: "Q",
}
"""Type of a tag -> its code in `struct`; fractions (5, 10) and texts (2, 7) never say how pixels are read."""
_SIZES = {2: 1, 5: 8, 7: 1, 10: 8} | {code: struct.calcsize(form) for code, form in _TYPES.items()}


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a directory."""

    number: int
    """The tag's number, e.g. 274 for the orientation."""
    raw: bytes
    """The entry as it stands in the file: 12 bytes, or 20 in a BigTIFF."""
    numbers: tuple[float, ...]
    """The values, at most `_MOST`; empty if they are not numbers or lie outside the file."""


_MOST = 64


class Directory:
    """The first directory of a TIFF structure.

    Nothing is raised for a damaged structure: tags that cannot be read are absent.

    Args:
        data: The structure, from its byte order (`II` or `MM`) on.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
        self._big = 0x2B in data[2:4]
        self.start = 0
        """Position of the first entry; 0 if there is no directory."""
        self.tags: tuple[Tag, ...] = ()
        """The entries in the order of the file."""
        known = self._order and (0x2A in data[2:4] or self._big)
        if known:
            self.tags = tuple(self._read())

    def numbers(self, tag: int) -> tuple[float, ...]:
        """The values of a tag; empty if it is absent or cannot be read."""
        return next((found.numbers for found in self.tags if found.number == tag), ())

    def text(self, tag: int) -> bytes:
        """The bytes of a tag that holds text; empty if it is absent or lies outside the file."""
        for found in self.tags:
            if found.number == tag:
                return self._value(found.raw, most=1 << 20)[1]
        return b""

    def with_only(self, kept: Collection[int]) -> bytes:
        """The data with a directory of these tags only, and without a further directory (page)."""
        if not self.start:
            return self._data
        entries = [tag.raw for tag in self.tags if tag.number in kept]
        count, follows = ("Q", 8) if self._big else ("H", 4)
        head = struct.pack(self._order + count, len(entries))
        block = head + b"".join(entries) + bytes(follows)
        place = self.start - len(head)
        changed = bytearray(self._data)
        changed[place : place + len(block)] = block
        return bytes(changed)

    def _read(self) -> Iterator[Tag]:
        size, count, pointer, at = (20, "Q", "Q", 8) if self._big else (12, "H", "I", 4)
        place = self._unpack(pointer, at)
        entries = None if place is None else self._unpack(count, place)
        if place is None or entries is None or place < 8:
            return
        self.start = place + struct.calcsize(count)
        for number in range(min(entries, len(self._data) // size)):
            raw = self._data[self.start + number * size : self.start + (number + 1) * size]
            if len(raw) < size:
                return
            code, value = self._value(raw, most=8 * _MOST)
            form = _TYPES.get(code)
            numbers: tuple[float, ...] = ()
            if form is not None:
                whole = len(value) // struct.calcsize(form)
                numbers = struct.unpack(f"{self._order}{whole}{form}", value[: whole * _SIZES[code]])
            yield Tag(struct.unpack(self._order + "H", raw[:2])[0], raw, numbers)

    def _value(self, raw: bytes, *, most: int) -> tuple[int, bytes]:
        """Type and bytes of an entry's value, cut to `most` bytes; no bytes if they lie outside the file."""
        count, pointer, inside = ("Q", "Q", 8) if self._big else ("I", "I", 4)
        code, amount = struct.unpack(self._order + "H" + count, raw[2:-inside])
        length = amount * _SIZES.get(code, 1)
        if length <= inside:
            return code, raw[-inside:][:length]
        place: int = struct.unpack(self._order + pointer, raw[-inside:])[0]
        if place + length > len(self._data):
            return code, b""
        return code, self._data[place : place + min(length, most)]

    def _unpack(self, form: str, place: int) -> int | None:
        try:
            found: int = struct.unpack_from(self._order + form, self._data, place)[0]
        except struct.error:
            return None
        return found


def orientation_of(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation by EXIF or, if it says nothing, by XMP: 1 (upright) to 8; 1 if neither is readable.

    Args:
        exif: A TIFF structure, with or without the head `Exif`.
        xmp: An XMP packet.
    """
    while exif[:5] == b"Exif\0":
        exif = exif[6:]
    values = Directory(exif).numbers(ORIENTATION)
    found = _XMP.search(xmp)
    stated = values[0] if values else float(found[1]) if found else 1.0
    return int(stated) if stated in range(1, 9) else 1
