"""Handle files that others read, folders that others write, and errors that others raise."""

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
"""The pattern of a draft's name; older versions wrote drafts without the eight digits."""


# --- files that others read


def atomic_write(path: Path, data: bytes) -> None:
    """Write a file in one step: a reader sees all of it, or the file that was there before.

    Bytes and name are on disk when this returns, so that they survive a power cut. The bytes first go into a
    draft beside the file, which only a kill can leave behind: see `draft_of`.

    Raises:
        OSError: the file cannot be written.
    """
    if not path.name:  # `.` or a root, whose draft could not be named
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
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
    """The name of the file whose left-over draft has this name; None if it is not the name of a draft.

    Example:
        >>> draft_of(".run.json.0123abcd.draft")
        'run.json'
    """
    found = _DRAFT.fullmatch(name)
    return found[1] if found else None


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to disk."""
    if sys.platform == "win32":  # pragma: no cover
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(file)


# --- folders that others write


class FolderLock:
    """Keeps other processes from writing a folder, by a lock on one of its files; a context manager.

    The system releases the lock when the process ends, however it ends. Some file systems (network folders,
    mounts of containers) know no locks: their folders are refused, unless the environment's MMAD_RAG_LOCK is
    `off`. That variable changes nothing where locks work.

    Args:
        path: The file, which is created if needed, in an existing folder.
        busy: The error to raise if another process holds the lock; an error of the same class is raised if
            the file system knows no locks.
        wait_s: Seconds to wait for the other process to release the lock.

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
                    if _locks_files(path.parent):
                        raise busy
                    if _goes_on_without():
                        break
                    raise _NoLocksError("even a new file is said to be locked")
                time.sleep(_PAUSE_S)
        except _NoLocksError as error:
            self.release()
            raise type(busy)(
                f"the file system of {path.parent} cannot lock files ({error}), so nothing would keep two "
                "processes from writing there at once; take a folder on a local disk and copy it later, "
                f"or set {_LOCK_VARIABLE}=off if no other process writes there"
            ) from None
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_LOCK_VARIABLE = "MMAD_RAG_LOCK"
_NO_LOCKS = frozenset(
    {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.ENOTTY}
)
"""What `flock` answers on file systems without locks."""
_HELD = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})
"""What it answers where another process has the lock."""


class _NoLocksError(Exception):
    """The file system knows no locks."""


def _hold(file: int) -> bool:
    """Take the lock; False if another process has it.

    Raises:
        _NoLocksError: the file system knows no locks, and the user did not say to go on without them.
    """
    try:
        _lock(file)
    except OSError as error:
        if error.errno in _HELD:
            return False
        if error.errno not in _NO_LOCKS:
            raise
        if not _goes_on_without():
            raise _NoLocksError(error.strerror) from None
    return True


def _lock(file: int) -> None:
    if sys.platform == "win32":  # pragma: no cover
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _goes_on_without() -> bool:
    return os.environ.get(_LOCK_VARIABLE, "").strip().lower() == "off"


def _locks_files(folder: Path) -> bool:
    """Whether a new file, which nobody has locked, can be locked; some file systems say that each one is."""
    import tempfile

    try:
        with tempfile.TemporaryFile(dir=folder) as fresh:
            return _hold(fresh.fileno())
    except OSError:
        return True


# --- errors that others raise


def first_line(error: BaseException) -> str:
    """The message of another library's error in one line; the error's type if there is no message."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def first_problem(error: ValidationError) -> str:
    """The first problem that pydantic found, as `place: message`, or the message alone if it has no place.

    Example:
        `counts.products: Input should be greater than or equal to 0`.
    """
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    if not place:
        return problem["msg"]
    return f"{place if place.isprintable() else repr(place)}: {problem['msg']}"
