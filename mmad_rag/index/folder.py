"""Write an index folder in one step, read it back only when every byte is as it was written."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index.knowledge_index import Key, KnowledgeIndex, Reference
from mmad_rag.index.manifest import Manifest
from mmad_rag.records import Field, FloatArray, Json, Passage

MANIFEST = "manifest.json"
_MEND = "build it again with `mmad-rag build-index KNOWLEDGE --out"


def file_contents(
    passages: Sequence[Passage],
    keys: Sequence[Key],
    references: Sequence[Reference],
    arrays: Mapping[str, FloatArray],
) -> dict[str, bytes]:
    """Every file of an index folder but its manifest, name -> bytes; the same parts give the same bytes."""
    contents = {
        "passages.jsonl": _json_lines(passages),
        "keys.jsonl": _json_lines(keys),
        "references.jsonl": _json_lines(references),
    }
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array, np.float32), allow_pickle=False)
        contents[f"{name}.npy"] = buffer.getvalue()
    return contents


def save_index(index: KnowledgeIndex, folder: Path) -> None:
    """Write beside the folder first, then swap, so that a reader never sees half an index.

    Raises:
        IndexMismatchError: `folder` exists and is no index, so it is not replaced.
    """
    if folder.exists() and (
        not folder.is_dir() or (any(folder.iterdir()) and not (folder / MANIFEST).is_file())
    ):
        raise IndexMismatchError(f"{folder} exists and is no index; choose another folder with --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        contents = file_contents(index.passages, index.keys, index.references, index.arrays())
        contents[MANIFEST] = (index.manifest.model_dump_json(indent=2) + "\n").encode()
        for name, data in contents.items():
            (fresh / name).write_bytes(data)
        fresh.chmod(0o755)
        if folder.exists():
            old = fresh.with_name(fresh.name + "-old")
            folder.replace(old)
            fresh.replace(folder)
            shutil.rmtree(old)
        else:
            fresh.replace(folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def load_index(folder: Path) -> KnowledgeIndex:
    """Read an index folder; see `KnowledgeIndex.load`."""
    manifest = _manifest(folder)
    contents = {name: _checked(folder, name, digest) for name, digest in manifest.files.items()}
    passages, keys, references = _records(contents, folder)
    dim = manifest.encoder.dim
    text_dim = manifest.text_encoder.dim if manifest.text_encoder else 0
    index = KnowledgeIndex(
        manifest,
        passages,
        keys,
        references,
        _array(contents, "passages", (len(passages), text_dim), folder) if manifest.text_encoder else None,
        _array(contents, "keys", (len(keys), dim), folder),
        _array(contents, "references", (len(references), dim), folder),
    )
    counts = manifest.counts
    if (counts.passages, counts.keys, counts.references) != (len(passages), len(keys), len(references)):
        raise _damaged(folder, "the manifest counts other numbers of rows than the files hold")
    return index


def _manifest(folder: Path) -> Manifest:
    path = folder / MANIFEST
    if not path.is_file():
        raise IndexMismatchError(f"there is no index at {folder} (no {MANIFEST}); {_MEND} {folder}`")
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise _damaged(folder, f"{MANIFEST}: {where}: {first['msg']}") from None


def _checked(folder: Path, name: str, digest: str) -> bytes:
    """A file's bytes, when they are those that the manifest names."""
    if Path(name).name != name:
        raise _damaged(folder, f"the manifest names {name!r}, which is no plain file name")
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise _damaged(folder, f"{name} cannot be read ({error.strerror})") from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(folder, f"{name} was changed or cut off after it was written")
    return data


def _records(
    contents: Mapping[str, bytes], folder: Path
) -> tuple[tuple[Passage, ...], tuple[Key, ...], tuple[Reference, ...]]:
    try:
        return (
            tuple(
                Passage(**{**row, "field": Field(row["field"])}) for row in _rows(contents["passages.jsonl"])
            ),
            tuple(Key(**row) for row in _rows(contents["keys.jsonl"])),
            tuple(Reference(**row) for row in _rows(contents["references.jsonl"])),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(folder, f"a row or file is not as this version writes it ({error})") from None


def _rows(data: bytes) -> list[Json]:
    return [json.loads(line) for line in data.decode().split("\n") if line]


def _array(contents: Mapping[str, bytes], name: str, shape: tuple[int, int], folder: Path) -> FloatArray:
    """An array of the expected shape with finite values; pickled objects are never loaded."""
    try:
        array = np.load(io.BytesIO(contents[f"{name}.npy"]), allow_pickle=False)
    except (KeyError, ValueError, OSError, EOFError) as error:
        raise _damaged(folder, f"{name}.npy is absent or no array ({error})") from None
    if array.shape != shape or array.dtype != np.float32:
        raise _damaged(
            folder, f"{name}.npy has shape {array.shape} and type {array.dtype}, not {shape} float32"
        )
    if not np.isfinite(array).all():
        raise _damaged(folder, f"{name}.npy holds values that are not finite")
    result: FloatArray = array
    return result


def _json_lines(records: Sequence[Passage] | Sequence[Key] | Sequence[Reference]) -> bytes:
    rows = (json.dumps(dataclasses.asdict(record), ensure_ascii=False) for record in records)
    return "".join(f"{row}\n" for row in rows).encode()


def _damaged(folder: Path, what: str) -> IndexMismatchError:
    return IndexMismatchError(f"the index {folder} cannot be used: {what}; {_MEND} {folder}`")
