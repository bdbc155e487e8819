"""Read an index folder, only when every byte is as it was written."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index.data import IndexData
from mmad_rag.index.folder.files import (
    KEY_VECTORS,
    KEYS,
    PASSAGE_VECTORS,
    PASSAGES,
    REFERENCE_VECTORS,
    REFERENCES,
    name_on_disk,
)
from mmad_rag.index.folder.parse import parse_index
from mmad_rag.index.manifest import FileStamp, Manifest

MANIFEST = "manifest.json"
_LARGEST_MANIFEST = 64 * 1024 * 1024
_TRIES = 100
_PAUSE_S = 0.002


@dataclass(frozen=True, slots=True)
class ReadManifest:
    """A manifest with what tells it apart from the one that replaces it."""

    manifest: Manifest
    identity: tuple[int, int, int]
    """Number of the file in its file system, time of its last change in ns, bytes."""


class FileGoneError(IndexMismatchError):
    """A file that the manifest names is absent: damage, unless a writer has just replaced the index."""


def load_index(folder: Path) -> IndexData:
    """Read an index folder; see `KnowledgeIndex.load`.

    A writer replaces the manifest first and removes the files of the older index then. So a file that is gone
    while the manifest is no longer the same means that there is a newer index to read.
    """
    for _ in range(_TRIES):
        read = read_manifest(folder)
        try:
            contents = {name: read_file(folder, name, stamp) for name, stamp in read.manifest.files.items()}
        except FileGoneError:
            if manifest_identity(folder) == read.identity:
                raise
            time.sleep(_PAUSE_S)
            continue
        parsed = parse_index(contents, read.manifest)
        if parsed.index is None or parsed.problems:
            raise damaged(folder, parsed.problems[0])
        return parsed.index
    raise damaged(folder, f"it was replaced {_TRIES} times while it was read")


def read_manifest(folder: Path) -> ReadManifest:
    """The manifest, when it is whole and lists the files that an index has.

    Raises:
        IndexMismatchError: absent, damaged, or of another format.
    """
    path = folder / MANIFEST
    try:
        identity, data = _read_plain(path, _LARGEST_MANIFEST)
        manifest = Manifest.from_json(data)
    except FileNotFoundError:
        raise IndexMismatchError(
            f"there is no index at {folder} (no {MANIFEST}); {mending(folder)}"
        ) from None
    except NotADirectoryError:
        raise IndexMismatchError(f"{folder} is not a folder; {mending(folder)}") from None
    except OSError as error:
        raise damaged(folder, f"{MANIFEST} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise damaged(folder, f"{MANIFEST}: {error}") from None
    expected = {PASSAGES, KEYS, REFERENCES, KEY_VECTORS, REFERENCE_VECTORS}
    if manifest.text_encoder is not None:
        expected.add(PASSAGE_VECTORS)
    if set(manifest.files) != expected:
        raise damaged(folder, f"{MANIFEST} names other files than {', '.join(sorted(expected))}")
    return ReadManifest(manifest, identity)


def manifest_identity(folder: Path) -> tuple[int, int, int] | None:
    """What `ReadManifest.identity` would be now; None when there is no manifest."""
    try:
        return _identity((folder / MANIFEST).lstat())
    except OSError:
        return None


def read_file(folder: Path, name: str, stamp: FileStamp) -> bytes:
    """A file's bytes, when they are those that the manifest names.

    Raises:
        FileGoneError: it is absent.
        IndexMismatchError: it was changed, cut off, or is not a plain file.
    """
    on_disk = name_on_disk(name, stamp.sha256)
    try:
        _, data = _read_plain(folder / on_disk, stamp.bytes)
    except FileNotFoundError:
        raise FileGoneError(_damage(folder, f"{on_disk} is gone")) from None
    except OSError as error:
        raise damaged(folder, f"{on_disk} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise damaged(folder, f"{on_disk}: {error}") from None
    if len(data) != stamp.bytes or hashlib.sha256(data).hexdigest() != stamp.sha256:
        raise damaged(folder, f"{on_disk} was changed or cut off after it was written")
    return data


def mending(folder: Path) -> str:
    """What to do about an index that cannot be used."""
    return f"build it again with `mmad-rag build-index KNOWLEDGE --out {folder}`"


def damaged(folder: Path, what: str) -> IndexMismatchError:
    """The error about an index that is there and cannot be used."""
    return IndexMismatchError(_damage(folder, what))


def _damage(folder: Path, what: str) -> str:
    return f"the index {folder} cannot be used: {what}; {mending(folder)}"


def _read_plain(path: Path, largest: int) -> tuple[tuple[int, int, int], bytes]:
    """Identity and bytes of a file that is neither a link (leads anywhere) nor a pipe (blocks)."""
    if not stat.S_ISREG(path.lstat().st_mode):
        raise ValueError("it is a link or no plain file")
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        if status.st_size > largest:
            raise ValueError(f"it has {status.st_size:,} bytes, more than {largest:,}")
        return _identity(status), file.read(largest + 1)


def _identity(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_mtime_ns, status.st_size
