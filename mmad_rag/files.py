"""Meet what is outside: files that others read, folders that others write, errors that others raise."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mmad_rag.errors import MmadRagError

if TYPE_CHECKING:
    from pydantic import ValidationError

_PAUSE_S = 0.02
_DRAFT = re.compile(r"\.(.+?)(?:\.[0-9a-f]{8})?\.draft")
"""Older versions wrote drafts without the eight digits."""


# --- files that others read


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees all of it, or what was there before.

    Bytes and name are on disk when this returns, so that a power cut takes neither back. The bytes first go
    into a draft beside the file, which only a kill can leave behind: see `draft_of`.

    Raises:
        OSError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.draft")
    file = draft.open("xb")  # never through a link, and never into the draft of another process
    try:
        with file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise
    _sync_folder(path.parent)


def draft_of(name: str) -> str | None:
    """The name of the file that a file of this name is a left-over draft of; None when it is not a draft.

    Example:
        >>> draft_of(".run.json.0123abcd.draft")
        'run.json'
    """
    found = _DRAFT.fullmatch(name)
    return found[1] if found else None


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    if sys.platform == "win32":  # pragma: no cover
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems sync no folder
            raise
    finally:
        os.close(file)


# --- folders that others write


class FolderLock:
    """Keeps other processes from writing a folder, by a lock on one of its files; a context manager.

    The system lets go of the lock when the process ends, however it ends.

    Args:
        path: The file, made if need be, in a folder that is there.
        busy: Raised when another process holds the lock.
        wait_s: Seconds until then in which the other may let go of it.

    Raises:
        OSError: the file cannot be opened or locked.
    """

    def __init__(self, path: Path, *, busy: MmadRagError, wait_s: float = 0.0) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        """Descriptor of the file, open for reading and appending while the lock is held; -1 after that."""
        try:
            deadline = time.monotonic() + wait_s
            while not _hold(self.file):
                if time.monotonic() >= deadline:
                    raise busy
                time.sleep(_PAUSE_S)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let go of the lock; a second call does nothing."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _hold(file: int) -> bool:
    """Take the lock; False when another process has it."""
    if sys.platform == "win32":  # pragma: no cover
        import msvcrt

        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


# --- errors that others raise


def first_line(error: BaseException) -> str:
    """What another library's error says, in one line; its kind where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def first_problem(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, as `place: message`, or as the message where all is wrong.

    Example:
        `counts.products: Input should be greater than or equal to 0`.
    """
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    if not place:
        return problem["msg"]
    return f"{place if place.isprintable() else repr(place)}: {problem['msg']}"
