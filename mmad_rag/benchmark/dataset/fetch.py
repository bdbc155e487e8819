"""Fetch one file of a data set, continuing an unfinished one."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.benchmark.dataset.file_hash import HashedFile, blocks, hash_begun
from mmad_rag.benchmark.dataset.hub import Hub
from mmad_rag.benchmark.dataset.hub_errors import HubRetryError
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from hashlib import _Hash

_TRIES = 5
"""Number of requests in a row that may bring no bytes."""
_LONGEST_WAIT_S = 30.0


class StoppedError(Exception):
    """The download ends early; fetched bytes are kept."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """What the downloads of several files share."""

    hub: Hub
    """The hub that the files come from."""
    commit: str
    """Commit of the data set."""
    folder: Path
    """The data folder."""
    work: Path
    """Folder for unfinished files."""
    stop: threading.Event
    """Set when the download must end early."""
    advance: Callable[[int], None]
    """Called with the number of bytes that have arrived; negative when some have to be fetched again."""
    waits: Callable[[float], None]
    """Called with the seconds until the same bytes are requested again."""
    retry_wait_s: float
    """Seconds before the second request for the same bytes; doubled before every further one."""


def target_of(folder: Path, path: str) -> Path:
    """The place of a file of a data set.

    Raises:
        DataError: a link in the folder leads out of it, or the file's path is a folder.
    """
    target = folder / path
    if not target.parent.resolve().is_relative_to(folder.resolve()):
        raise DataError(
            f"{target.parent} is, or lies behind, a link that leads out of {folder}, and nothing is written "
            "outside; replace the link with a folder, or link the data folder as a whole"
        )
    if target.is_dir():
        raise DataError(f"{target} is a folder where a file of the data set goes; move it away")
    return target


def part_of(work: Path, file: HashedFile) -> Path:
    """The place of an unfinished file; another content of the same path has another place."""
    return work / (hashlib.sha256(f"{file.digest} {file.path}".encode()).hexdigest()[:32] + ".part")


def fetch_file(file: HashedFile, shared: Fetching) -> None:
    """Bring one file to its place, whole and with the right hash, or not at all.

    Raises:
        DataError: the hub refuses, its bytes have another hash or stop coming, or the file cannot be
            written.
        StoppedError: `stop` was set.
    """
    part = part_of(shared.work, file)
    try:
        target = target_of(shared.folder, file.path)
        resumed = part.exists()
        while not _complete(file, part, shared):
            part.unlink()
            shared.advance(-file.size)
            if not resumed:
                raise DataError(
                    f"{shared.hub.endpoint} sent {file.path} with another {file.kind.value} than it lists "
                    f"({file.digest}); nothing of it is kept, try again later"
                )
            resumed = False  # a process that was killed while writing left the part
        put_in_place(part, target)
    except OSError as error:
        raise cannot_write(error, shared.folder, file.path) from error


def put_in_place(part: Path, target: Path) -> None:
    """Give a finished file its name, after its bytes are safe on disk."""
    with part.open("rb") as opened:
        os.fsync(opened.fileno())
    target.parent.mkdir(parents=True, exist_ok=True)
    part.replace(target)


def cannot_write(error: OSError, folder: Path, path: str) -> DataError:
    """The error for a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DataError(
            f"the disk of {folder} is full, {path} is not finished; free space, then the same command goes on"
        )
    return DataError(
        f"{folder / path} cannot be written ({error.strerror}); check the folder, "
        "then the same command goes on"
    )


def _complete(file: HashedFile, part: Path, shared: Fetching) -> bool:
    """Fetch the rest of a file; return whether its hash is right."""
    found, position = _begun(file, part)
    shared.advance(position)
    idle = 0
    while position < file.size or not part.exists():
        if shared.stop.is_set():
            raise StoppedError
        try:
            reached, found = _append(file, part, position, found, shared)
            if reached < file.size:
                raise HubRetryError(
                    f"the connection to {shared.hub.endpoint} ended in the middle of {file.path}; "
                    "the same command goes on where it stopped"
                )
        except HubRetryError as error:
            # What was written before the connection broke counts: the part's size shows how much that is.
            found, reached = _begun(file, part)
            idle = idle + 1 if reached <= position else 0
            if idle >= _TRIES:
                raise
            wait_s = min(_LONGEST_WAIT_S, shared.retry_wait_s * 2**idle)
            wait_s = wait_s if error.wait_s is None else error.wait_s
            shared.waits(wait_s)
            shared.stop.wait(wait_s)
        position = reached
    return found.hexdigest() == file.digest


def _begun(file: HashedFile, part: Path) -> tuple[_Hash, int]:
    """The hash and the length of a file's fetched bytes; a part longer than the file is discarded."""
    found, length = hash_begun(file), 0
    if part.exists():
        if part.stat().st_size > file.size:
            part.unlink()
            return found, 0
        for block in blocks(part):
            found.update(block)
            length += len(block)
    return found, length


def _append(file: HashedFile, part: Path, position: int, found: _Hash, shared: Fetching) -> tuple[int, _Hash]:
    """Write the bytes of one request; return the length reached and the hash so far."""
    with shared.hub.stream(file.path, shared.commit, position) as (start, chunks):
        if start != position:
            shared.advance(-position)
            found = hash_begun(file)
        with part.open("ab") as opened:
            opened.truncate(start)
            reached = start
            for chunk in chunks:
                if shared.stop.is_set():
                    raise StoppedError
                if reached + len(chunk) > file.size:
                    raise DataError(
                        f"{shared.hub.endpoint} sends more of {file.path} than the {file.size:,} bytes that "
                        "it lists; try again later"
                    )
                opened.write(chunk)
                found.update(chunk)
                reached += len(chunk)
                shared.advance(len(chunk))
    return reached, found
