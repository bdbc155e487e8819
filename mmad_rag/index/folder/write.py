"""Write an index folder so that a concurrent reader sees either the older index or the new one, complete.

    manifest.json            description of the index, and the hash of every other file
    passages.<hash>.jsonl    files that never change: other contents have another name
    keys.<hash>.npy ...
    .index.lock              held by the process that writes

The files of the new index are written first, then the manifest is replaced in one step, then the files that
it does not name are removed. A process killed at any moment leaves one complete index; the next write removes
the files that it left over.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mmad_rag.errors import IndexMismatchError
from mmad_rag.files import FolderLock, atomic_write, draft_of
from mmad_rag.folders import is_passed_over
from mmad_rag.index.data import IndexData
from mmad_rag.index.folder.files import file_contents, name_on_disk
from mmad_rag.index.folder.read import MANIFEST, load_index

_DATA = re.compile(r"(passages|keys|references)(\.[0-9a-f]{12})?\.(jsonl|npy)")
"""Names of data files; those of format 1 have no hash."""
_LOCK = ".index.lock"
_WAIT_S = 10.0


def save_index(index: IndexData, folder: Path) -> None:
    """Write an index, replacing an older one there; see `KnowledgeIndex.save`."""
    with _writing(folder):
        _write(index, folder)


def update_index(folder: Path, change: Callable[[IndexData], IndexData]) -> IndexData:
    """Load an index, change it and write it under a lock that keeps other processes from writing.

    Returns:
        The index that was written.

    Raises:
        IndexMismatchError: the index cannot be loaded, is being written by another process, or cannot be
            written.
    """
    if not (folder / MANIFEST).exists():
        return load_index(folder)  # raises if there is no index, before the lock would create the folder
    with _writing(folder):
        changed = change(load_index(folder))
        _write(changed, folder)
    return changed


def refuse_foreign(folder: Path) -> None:
    """Raise IndexMismatchError if a folder exists and holds something other than an index."""
    if not folder.exists() and not folder.is_symlink():
        return
    try:
        found = {path.name for path in folder.iterdir()}
        names = {name for name in found if _is_ours(name) or not is_passed_over(name)}
    except OSError:
        names = {""}
    foreign = {name for name in names if not _is_ours(name)}
    if foreign and not (MANIFEST in names and any(_DATA.fullmatch(name) for name in names)):
        raise IndexMismatchError(f"{folder} exists and is not an index; choose another folder with --out")


def index_lock(folder: Path) -> FolderLock:
    """The lock of an existing index folder.

    Raises:
        IndexMismatchError: another process holds it for more than ten seconds.
        OSError: the lock file cannot be opened.
    """
    busy = f"another process is writing the index {folder}; wait for it to end, or choose another folder"
    return FolderLock(folder / _LOCK, busy=IndexMismatchError(busy), wait_s=_WAIT_S)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Create the folder if necessary and hold its lock; file errors become an IndexMismatchError."""
    refuse_foreign(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with index_lock(folder):
            yield
    except OSError as error:
        raise IndexMismatchError(
            f"the index {folder} cannot be written ({error.strerror}); mend that or choose another folder "
            "with --out: an older index there is as it was"
        ) from error


def _write(index: IndexData, folder: Path) -> None:
    contents = file_contents(index.passages, index.keys, index.references, index.arrays())
    files = {name_on_disk(name, index.manifest.files[name].sha256): data for name, data in contents.items()}
    for name, data in files.items():
        if not _holds(folder / name, data):
            atomic_write(folder / name, data)
    atomic_write(folder / MANIFEST, index.manifest.to_json())
    for path in folder.iterdir():
        left_over = _is_ours(path.name) and path.name not in {*files, MANIFEST, _LOCK}
        if left_over:
            with contextlib.suppress(
                OSError
            ):  # if a file cannot be removed while a reader has it open, the next write removes it
                path.unlink()


def _is_ours(name: str) -> bool:
    name = draft_of(name) or name
    return name in (MANIFEST, _LOCK) or _DATA.fullmatch(name) is not None


def _holds(path: Path, data: bytes) -> bool:
    """Whether the path is a regular file with exactly these bytes."""
    try:
        return not path.is_symlink() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
