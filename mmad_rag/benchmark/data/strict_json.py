"""Read JSON from elsewhere, saying exactly where it is not what was expected."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

from mmad_rag.errors import DataError
from mmad_rag.records import Json

MEND = "correct the file or download it again"
"""What to do about a wrong file."""

_DRIVE = re.compile(r"[A-Za-z]:")


class _Object(dict[str, Any]):
    """A JSON object that remembers a key which stood in it twice."""

    duplicate: str | None = None


_KINDS = {
    _Object: "an object",
    list: "a list",
    str: "text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
}


def parse_json(raw: bytes, path: Path) -> object:
    """Any JSON value, from UTF-8 with or without a byte order mark.

    Raises:
        DataError: the bytes are not UTF-8 or no JSON; the message names line and column.
    """
    try:
        parsed: object = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error}); {MEND}") from error
    return parsed


def as_object(value: object, where: str) -> Json:
    """An object of `parse_json` in which no key stands twice.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(value, _Object):
        raise DataError(f"{where}: expected an object, found {_kind(value)}; {MEND}")
    if value.duplicate is not None:
        raise DataError(f"{where}: the key {value.duplicate!r} occurs twice; remove one, or {MEND}")
    return value


def as_list(value: object, where: str) -> list[Any]:
    """A list.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(value, list):
        raise DataError(f"{where}: expected a list, found {_kind(value)}; {MEND}")
    return value


def as_text(entry: Json, name: str, where: str) -> str:
    """The text under a key: there, not empty, and valid Unicode (no lone surrogate).

    Raises:
        DataError: it is something else.
    """
    if name not in entry:
        raise DataError(f"{where}: {name!r} is missing; {MEND}")
    value = entry[name]
    if not isinstance(value, str):
        raise DataError(f"{where}: {name!r} is {_kind(value)}, expected text; {MEND}")
    if not value.strip() or not _is_unicode(value):
        raise DataError(f"{where}: {name!r} is empty or not valid Unicode; {MEND}")
    return value


def as_relative_path(value: object, where: str) -> str:
    """A path with forward slashes that stays inside the folder it is relative to.

    Raises:
        DataError: it is something else.
    """
    if not isinstance(value, str):
        raise DataError(f"{where}: expected a path, found {_kind(value)}; {MEND}")
    leaves = {"", ".", ".."}.intersection(value.split("/")) or "\\" in value or _DRIVE.match(value)
    if leaves or not value.isprintable():
        raise DataError(f"{where}: the path {value!r} is empty or leaves the data folder; {MEND}")
    return value


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object(pairs)
    if len(found) < len(pairs):
        found.duplicate = Counter(name for name, _ in pairs).most_common(1)[0][0]
    return found


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    return "null" if value is None else _KINDS[type(value)]
