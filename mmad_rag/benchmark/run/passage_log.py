"""Keep every passage that a run has shown, once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from mmad_rag.benchmark.run.reader import PASSAGE_JSON, PASSAGES_FILE, read_passages
from mmad_rag.errors import DataError
from mmad_rag.records import Passage


class PassageLog:
    """Appends passages to a run folder, one line each; its user must hold the lock of the run.

    Args:
        folder: The run folder. A line that a kill cut in two is removed; its row was not written either.

    Raises:
        DataError: the file is damaged, or cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / PASSAGES_FILE
        self._known = set(read_passages(folder))
        if self._path.exists():
            end = self._path.read_bytes().rfind(b"\n") + 1
            try:
                os.truncate(self._path, end)
            except OSError as error:
                raise self._unwritable(error) from error

    def keep(self, passages: Sequence[Passage]) -> None:
        """Append the passages that are new, all of them or nothing.

        Raises:
            DataError: they cannot be written, for instance because the disk is full.
        """
        fresh = [passage for passage in passages if passage.id not in self._known]
        if not fresh:
            return
        size = self._path.stat().st_size if self._path.exists() else 0
        try:
            with self._path.open("ab") as file:
                file.write(b"".join(PASSAGE_JSON.dump_json(passage) + b"\n" for passage in fresh))
                file.flush()
                os.fsync(file.fileno())  # on disk before the row that names it; new passages are rare
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(self._path, size)
            raise self._unwritable(error) from error
        self._known.update(passage.id for passage in fresh)

    def _unwritable(self, error: OSError) -> DataError:
        return DataError(
            f"passages cannot be written to {self._path} ({error.strerror}); "
            "mend that and give the same command again: nothing else is lost"
        )
