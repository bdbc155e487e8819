"""Turn the parts of an index into the bytes of its files, or bytes into parts."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from pydantic_core import from_json

from mmad_rag.fields import Field
from mmad_rag.index.rows import Key, KeyKind, Reference
from mmad_rag.records import FloatArray, Json, Passage

PASSAGES, KEYS, REFERENCES = "passages.jsonl", "keys.jsonl", "references.jsonl"
PASSAGE_VECTORS, KEY_VECTORS, REFERENCE_VECTORS = "passages.npy", "keys.npy", "references.npy"

_HASH_DIGITS = 12
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00.."
    rb"\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d{1,18}), (\d{1,18})\), \} *\n",
    re.DOTALL,
)
"""How `np.save` begins such an array. NumPy's own reader evaluates what stands there, whatever it is."""

_Row = TypeVar("_Row", Passage, Key, Reference)


def file_contents(
    passages: Sequence[Passage],
    keys: Sequence[Key],
    references: Sequence[Reference],
    arrays: Mapping[str, FloatArray],
) -> dict[str, bytes]:
    """Every file of an index folder but its manifest, name -> bytes; the same parts give the same bytes."""
    contents = {
        PASSAGES: _json_lines(passages),
        KEYS: _json_lines(keys),
        REFERENCES: _json_lines(references),
    }
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array, "<f4"), allow_pickle=False)
        contents[f"{name}.npy"] = buffer.getvalue()
    return contents


def name_on_disk(name: str, sha256: str) -> str:
    """The name that a file has in the folder: `keys.npy` -> `keys.<12 digits of its hash>.npy`."""
    stem, _, suffix = name.partition(".")
    return f"{stem}.{sha256[:_HASH_DIGITS]}.{suffix}"


def passages_from(data: bytes) -> tuple[Passage, ...]:
    """Read `passages.jsonl`.

    Raises:
        ValueError: a row is not as this version writes it.
    """
    return tuple(Passage(**{**row, "field": Field(row["field"])}) for row in _rows(data, Passage))


def keys_from(data: bytes) -> tuple[Key, ...]:
    """Read `keys.jsonl`; errors as for passages."""
    return tuple(Key(**{**row, "kind": KeyKind(row["kind"])}) for row in _rows(data, Key))


def references_from(data: bytes) -> tuple[Reference, ...]:
    """Read `references.jsonl`; errors as for passages."""
    return tuple(Reference(**row) for row in _rows(data, Reference))


def vectors_from(data: bytes, rows: int, dim: int) -> FloatArray:
    """Read an array of shape (rows, dim); nothing is unpickled, and memory is taken for no more than `data`.

    Raises:
        ValueError: it is not a float32 array of that shape, or longer or shorter than its header says.
    """
    header = _HEADER.match(data)
    if header is None:
        raise ValueError(f"it does not begin as rows of float32 do, but with {data[:100]!r}")
    shape = int(header[1]), int(header[2])
    if shape != (rows, dim):
        raise ValueError(f"it has the shape {shape}, not {(rows, dim)}")
    size = len(data) - header.end()
    if size != rows * dim * 4:
        raise ValueError(f"it holds {size} bytes of numbers, not {rows * dim * 4}")
    return np.frombuffer(data, "<f4", offset=header.end()).reshape(rows, dim).astype(np.float32)


def _rows(data: bytes, kind: type[_Row]) -> Iterator[Json]:
    """The rows as objects that have exactly the fields of `kind`, all of them texts."""
    names = {field.name for field in dataclasses.fields(kind)}
    for number, line in enumerate(data.decode().split("\n"), start=1):
        if not line:
            continue
        row = from_json(line)
        if not isinstance(row, dict) or set(row) != names:
            raise ValueError(f"row {number} has not the fields {', '.join(sorted(names))}")
        if not all(isinstance(value, str) for value in row.values()):
            raise ValueError(f"row {number} has a field that is not text")
        yield row


def _json_lines(records: Sequence[Passage] | Sequence[Key] | Sequence[Reference]) -> bytes:
    rows = (json.dumps(dataclasses.asdict(record), ensure_ascii=False) for record in records)
    return "".join(f"{row}\n" for row in rows).encode()
