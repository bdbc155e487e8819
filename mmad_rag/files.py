"""Let one process at a time write an index folder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmad_rag.errors import IndexMismatchError

LOCK = ".index.lock"
_WAIT_S = 10.0
_PAUSE_S = 0.02


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of an existing folder; the system lets go of it when the process ends, however it ends.

    Raises:
        IndexMismatchError: another process holds it for more than ten seconds.
        OSError: the lock file cannot be opened.
    """
    file = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + _WAIT_S
        while not _hold(file):
            if time.monotonic() > deadline:
                raise IndexMismatchError(
                    f"another process is writing the index {folder}; wait for it to end, "
                    "or choose another folder"
                )
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(file)


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
