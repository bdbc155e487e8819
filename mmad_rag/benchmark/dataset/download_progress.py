"""Count how far a download has come."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.dataset.file_hash import HashedFile


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """How far a download has come."""

    stage: str
    """`checking` what is there, or `fetching`."""
    done: int
    """Files when checking, bytes when fetching."""
    total: int
    """As `done`."""
    files_left: int
    """Not yet checked, or not yet fetched."""
    wait_s: float = 0.0
    """Seconds that a file was told to wait, by the hub or after a broken connection; 0 when bytes came."""


class DownloadCounter:
    """Tells a caller the counts, whatever thread they come from."""

    def __init__(self, progress: Callable[[DownloadProgress], None] | None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._state = DownloadProgress("checking", 0, 0, 0)

    def checked(self, done: int, total: int) -> None:
        """So many files of all have been compared with what they must be."""
        self._tell(DownloadProgress("checking", done, total, total - done))

    def fetching(self, files: Sequence[HashedFile]) -> None:
        """These files will be fetched."""
        self._tell(DownloadProgress("fetching", 0, sum(file.size for file in files), len(files)))

    def came(self, count: int) -> None:
        """So many bytes more are there; negative when they have to come again."""
        with self._lock:
            state = self._state
            self._tell(DownloadProgress(state.stage, state.done + count, state.total, state.files_left))

    def waits(self, seconds: float) -> None:
        """A file has to wait before more of it comes."""
        with self._lock:
            self._tell(dataclasses.replace(self._state, wait_s=seconds))

    def one_file(self) -> None:
        """One more file is in its place."""
        with self._lock:
            state = self._state
            self._tell(DownloadProgress(state.stage, state.done, state.total, state.files_left - 1))

    def _tell(self, state: DownloadProgress) -> None:
        self._state = state
        if self._progress is not None:
            self._progress(state)
