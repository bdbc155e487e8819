"""Let one process at a time write a data folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmad_rag.benchmark.run_lock import hold
from mmad_rag.errors import DataError

WORK_FOLDER = ".mmad-download"
"""Where unfinished files are kept inside a data folder, beside the lock."""


@contextmanager
def data_lock(folder: Path) -> Iterator[Path]:
    """Hold a data folder, which is made if need be; yields the folder for unfinished files.

    The system lets go of the lock when the process ends, however it ends.

    Raises:
        DataError: another process holds it, or the folder cannot be written, or its work folder is a link.
    """
    work = folder / WORK_FOLDER
    try:
        work.mkdir(parents=True, exist_ok=True)
        if work.is_symlink():
            raise DataError(f"{work} is a link; remove it, nothing is written outside {folder}")
        file = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataError(
            f"the data folder {folder} cannot be written ({error.strerror}); give another one"
        ) from error
    try:
        hold(file)
    except OSError:
        os.close(file)
        raise DataError(
            f"another process is writing the data folder {folder}; wait for it, or give another folder"
        ) from None
    try:
        yield work
    finally:
        os.close(file)
