"""Hold a run folder against other processes that write."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from mmad_rag.benchmark.run.reader import (
    HARD_FILE,
    HEADER_FILE,
    OUTCOMES_FILE,
    PASSAGES_FILE,
    QUESTIONS_FILE,
)
from mmad_rag.errors import DataError

OUR_NAMES = (HEADER_FILE, QUESTIONS_FILE, HARD_FILE, PASSAGES_FILE, "outcomes.")
"""How the names of the files of a run begin."""


def lock_run(folder: Path) -> int:
    """Open the outcomes for appending, and hold them against every other process that writes.

    Returns:
        The file's descriptor; the lock is let go when it is closed.

    Raises:
        DataError: the folder holds something else, is being written by another process, or cannot be written.
    """
    path = folder / OUTCOMES_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [item.name for item in folder.iterdir() if not item.name.lstrip(".").startswith(OUR_NAMES)]
        if foreign and not path.exists():
            raise DataError(f"{folder} is no run folder, it holds {min(foreign)}; give another --out")
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}); give another --out") from error
    try:
        hold(file)
    except OSError:
        os.close(file)
        raise DataError(
            f"another process is writing the run in {folder}; wait for it to end, or give another --out"
        ) from None
    return file


def hold(file: int) -> None:
    """Take the lock or raise OSError; the system lets go of it when the process ends, however it ends."""
    if sys.platform == "win32":  # pragma: no cover
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
