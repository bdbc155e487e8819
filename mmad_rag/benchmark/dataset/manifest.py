"""Keep the sizes and hashes of a data folder's files beside the data, in `hashes.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mmad_rag.benchmark.data.strict_json import as_object, as_relative_path, as_text, parse_json
from mmad_rag.benchmark.dataset.file_hash import HashedFile, HashKind
from mmad_rag.errors import DataError
from mmad_rag.files import FolderLock, atomic_write, draft_of

WORK_FOLDER = ".mmad-download"
"""Name of the folder for unfinished files, inside a data folder, beside the lock."""


@contextmanager
def data_lock(folder: Path) -> Iterator[Path]:
    """Lock a data folder, which is created if needed; yields the folder for unfinished files.

    The system releases the lock when the process ends, however it ends.

    Raises:
        DataError: another process holds it, or the folder cannot be written, or its work folder is a link.
    """
    work = folder / WORK_FOLDER
    try:
        work.mkdir(parents=True, exist_ok=True)
        if work.is_symlink():
            raise DataError(f"{work} is a link; remove it, nothing is written outside {folder}")
        busy = f"another process is writing the data folder {folder}; wait for it, or give another folder"
        lock = FolderLock(work / "lock", busy=DataError(busy))
    except OSError as error:
        raise DataError(
            f"the data folder {folder} cannot be written ({error.strerror}); give another one"
        ) from error
    with lock:
        yield work


MANIFEST = "hashes.json"
"""Name of the manifest, in the data folder."""

_VERSION = 1
_HEX = {HashKind.SHA256: re.compile(r"[0-9a-f]{64}"), HashKind.GIT_BLOB: re.compile(r"[0-9a-f]{40}")}


@dataclass(frozen=True, slots=True)
class DataManifest:
    """The origin of a data folder's files, with the size and hash of each."""

    dataset: str
    """Name of the data set on the hub, `owner/name`."""
    revision: str
    """The commit, 40 hex digits."""
    files: Mapping[str, HashedFile]
    """Path -> size and hash, for every file that was ever requested, fetched or not."""


def is_ours(path: str) -> bool:
    """Whether a path in a data folder is the manifest or an unfinished file, whatever its case."""
    first = path.split("/", maxsplit=1)[0].casefold()
    return first in (MANIFEST, WORK_FOLDER) or draft_of(first) == MANIFEST


def checked_file(path: object, size: object, kind: HashKind, digest: object, where: str) -> HashedFile:
    """A checked file description, from values of unchecked origin.

    Raises:
        DataError: the path leaves the folder or is reserved, or the size or the hash is not valid.
    """
    name = as_relative_path(path, where)
    if is_ours(name):
        raise DataError(
            f"{where}: the path {name!r} is kept for this library's own files; it cannot be fetched"
        )
    if type(size) is not int or size < 0:
        raise DataError(f"{where}, {name}: the size {size!r} is not a number of bytes; try again later")
    if not isinstance(digest, str) or not _HEX[kind].fullmatch(digest):
        raise DataError(f"{where}, {name}: {digest!r} is not a {kind.value} hash; try again later")
    return HashedFile(name, size, kind, digest)


def read_manifest(folder: Path) -> DataManifest | None:
    """The manifest of a data folder; None if there is none.

    Raises:
        DataError: it cannot be read or is damaged.
    """
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    top = as_object(parse_json(raw, path), str(path))
    if top.get("version") != _VERSION:
        raise DataError(
            f"{path} has version {top.get('version')!r}, not {_VERSION}; remove it, or download anew"
        )
    files: dict[str, HashedFile] = {}
    for name, value in as_object(top.get("files"), f"{path}, files").items():
        entry = as_object(value, f"{path}, {name}")
        kind = as_text(entry, "kind", f"{path}, {name}")
        if kind not in list(HashKind):
            raise DataError(
                f"{path}, {name}: there is no kind of hash {kind!r}; remove {path}, or download anew"
            )
        files[name] = checked_file(name, entry.get("size"), HashKind(kind), entry.get("digest"), str(path))
    dataset, revision = (as_text(top, key, str(path)) for key in ("dataset", "revision"))
    return DataManifest(dataset, revision, MappingProxyType(files))


def with_files(manifest: DataManifest, files: Iterable[HashedFile]) -> DataManifest:
    """The manifest with these files added, replacing files with the same path."""
    merged = {**manifest.files, **{file.path: file for file in files}}
    return DataManifest(manifest.dataset, manifest.revision, MappingProxyType(merged))


def write_manifest(folder: Path, manifest: DataManifest) -> None:
    """Write the manifest, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    files = {
        file.path: {"size": file.size, "kind": file.kind.value, "digest": file.digest}
        for file in sorted(manifest.files.values(), key=lambda file: file.path)
    }
    top = {"version": _VERSION, "dataset": manifest.dataset, "revision": manifest.revision, "files": files}
    try:
        atomic_write(folder / MANIFEST, (json.dumps(top, indent=1) + "\n").encode())
    except OSError as error:
        raise DataError(
            f"{folder / MANIFEST} cannot be written ({error.strerror}); free space or give another folder"
        ) from error
