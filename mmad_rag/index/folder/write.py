"""Write an index folder so that whoever reads it meanwhile sees the older index or the new one, whole.

    manifest.json            what the index is, and the hash of every other file
    passages.<hash>.jsonl    files that never change: another content has another name
    keys.<hash>.npy ...
    .index.lock              held by the process that writes

Files of the new index are written first, then the manifest is replaced in one step, then the files that it
does not name are removed. A kill at any moment leaves one whole index; the next write removes what it
left over.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from mmad_rag.errors import IndexMismatchError
from mmad_rag.files import FolderLock, atomic_write, draft_of
from mmad_rag.index.data import IndexData
from mmad_rag.index.folder.files import file_contents, name_on_disk
from mmad_rag.index.folder.read import MANIFEST, load_index

_DATA = re.compile(r"(passages|keys|references)(\.[0-9a-f]{12})?\.(jsonl|npy)")
"""Format 1 wrote names without a hash."""
_LOCK = ".index.lock"
_WAIT_S = 10.0


def save_index(index: IndexData, folder: Path) -> None:
    """Write an index, replacing an older one there; see `KnowledgeIndex.save`."""
    with _writing(folder):
        _write(index, folder)


def update_index(folder: Path, change: Callable[[IndexData], IndexData]) -> IndexData:
    """Load an index, change it and write it, while no other process can write.

    Returns:
        What was written.

    Raises:
        IndexMismatchError: it cannot be loaded, is being written by another process, or cannot be written.
    """
    if not (folder / MANIFEST).exists():
        return load_index(folder)  # says that there is none, before the lock makes a folder of it
    with _writing(folder):
        changed = change(load_index(folder))
        _write(changed, folder)
    return changed


def refuse_foreign(folder: Path) -> None:
    """Raise IndexMismatchError when a folder exists and holds something else than an index."""
    if not folder.exists() and not folder.is_symlink():
        return
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError:
        names = {""}
    foreign = {name for name in names if not _is_ours(name)}
    if foreign and not (MANIFEST in names and any(_DATA.fullmatch(name) for name in names)):
        raise IndexMismatchError(f"{folder} exists and is not an index; choose another folder with --out")


def index_lock(folder: Path) -> FolderLock:
    """The lock of an index folder that is there.

    Raises:
        IndexMismatchError: another process holds it for more than ten seconds.
        OSError: the lock file cannot be opened.
    """
    busy = f"another process is writing the index {folder}; wait for it to end, or choose another folder"
    return FolderLock(folder / _LOCK, busy=IndexMismatchError(busy), wait_s=_WAIT_S)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Make the folder if need be and hold its lock; what goes wrong with files becomes one message."""
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
            ):  # where a reader's open file cannot be removed, the next write does
                path.unlink()


def _is_ours(name: str) -> bool:
    name = draft_of(name) or name
    return name in (MANIFEST, _LOCK) or _DATA.fullmatch(name) is not None


def _holds(path: Path, data: bytes) -> bool:
    """Whether a plain file has these bytes already."""
    try:
        return not path.is_symlink() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
