"""Count the progress of a download."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.dataset.file_hash import HashedFile


@dataclass(frozen=True, slots=True)
class DownloadProgress:
    """The progress of a download."""

    stage: str
    """Name of the stage: `checking` files that are there, or `fetching`."""
    done: int
    """Number of files done when checking, of bytes when fetching."""
    total: int
    """Number of all files when checking, of all bytes when fetching."""
    files_left: int
    """Number of files not yet checked, or not yet fetched."""
    wait_s: float = 0.0
    """Seconds that a file has to wait, by the hub's demand or after a broken connection; 0 when bytes
    arrived."""


class DownloadCounter:
    """Reports the counts to a caller, whatever thread they come from."""

    def __init__(self, progress: Callable[[DownloadProgress], None] | None) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._state = DownloadProgress("checking", 0, 0, 0)

    def checked(self, done: int, total: int) -> None:
        """Report how many of all files have been compared with the manifest."""
        self._tell(DownloadProgress("checking", done, total, total - done))

    def fetching(self, files: Sequence[HashedFile]) -> None:
        """Begin to count the bytes of files that will be fetched."""
        self._tell(DownloadProgress("fetching", 0, sum(file.size for file in files), len(files)))

    def came(self, count: int) -> None:
        """Count bytes that have arrived; a negative number means that they have to be fetched again."""
        with self._lock:
            state = self._state
            self._tell(DownloadProgress(state.stage, state.done + count, state.total, state.files_left))

    def waits(self, seconds: float) -> None:
        """Report that a file has to wait before more of it arrives."""
        with self._lock:
            self._tell(dataclasses.replace(self._state, wait_s=seconds))

    def one_file(self) -> None:
        """Count one more file that is in its place."""
        with self._lock:
            state = self._state
            self._tell(DownloadProgress(state.stage, state.done, state.total, state.files_left - 1))

    def _tell(self, state: DownloadProgress) -> None:
        self._state = state
        if self._progress is not None:
            self._progress(state)
