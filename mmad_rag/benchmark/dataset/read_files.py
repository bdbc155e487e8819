"""Read the files of a data folder once, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.data.dataset_names import file_of
from mmad_rag.benchmark.dataset.file_hash import HashedFile, HashKind, fits
from mmad_rag.errors import ImageError
from mmad_rag.images import open_image

_THREADS = 4
"""Number of reading threads; decoding releases the interpreter lock, and more threads only hold more images
in memory."""


@dataclass(frozen=True, slots=True)
class FileState:
    """The state of one file."""

    path: str
    """Path relative to the data folder."""
    there: bool
    """Whether there is a file at the path."""
    right: bool | None = None
    """Whether the file has the listed size and hash; None if they are not listed or were not checked."""
    opened: bool = False
    """Whether it was decoded as an image, with or without success."""
    unreadable: str | None = None
    """The reason why the image cannot be read."""
    digest: str | None = None
    """SHA-256 (hex) of an image that could be decoded."""


def read_files(
    folder: Path,
    paths: Sequence[str],
    images: Container[str],
    listed: Mapping[str, HashedFile],
    *,
    fast: bool,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[FileState, ...]:
    """The state of every file, in the order of `paths`.

    Args:
        folder: The data folder.
        paths: Paths of the files to check.
        images: Paths of the files to decode.
        listed: Path -> the size and hash that a file must have; other files are not compared.
        fast: Whether only presence and size are checked.
        progress: Called with the number of files done and of all files.
    """

    def state(path: str) -> FileState:
        place = folder / path if path in listed else file_of(folder, path)
        return _state(place, path, decode=path in images, file=listed.get(path), fast=fast)

    found: list[FileState] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for one in pool.map(state, paths):
            found.append(one)
            if progress is not None:
                progress(len(found), len(paths))
    return tuple(found)


def _state(place: Path, path: str, *, decode: bool, file: HashedFile | None, fast: bool) -> FileState:
    try:
        if not place.is_file():
            return FileState(path, there=False)
        size = place.stat().st_size
    except OSError:  # a name that is too long, or a folder that may not be entered
        return FileState(path, there=False)
    if fast:
        return FileState(path, there=True, right=False if file is not None and size != file.size else None)
    digest = reason = None
    if decode:
        try:
            digest = open_image(place).digest
        except ImageError as error:
            reason = str(error)
    right = None if file is None else _right(place, file, digest)
    return FileState(path, there=True, right=right, opened=decode, unreadable=reason, digest=digest)


def _right(place: Path, file: HashedFile, digest: str | None) -> bool:
    if digest is not None and file.kind is HashKind.SHA256:
        return digest == file.digest  # the image's digest covers the same bytes
    try:
        return fits(place, file)
    except OSError:
        return False
