"""Keep a run's outcomes in a folder that survives a kill at any moment.

    runs/NAME/
      run.json         the header, written once
      questions.jsonl  the questions, written once, so that a run can be scored without the data
      outcomes.jsonl   one row per question, rotation and arm, appended as replies come; the latest counts
      passages.jsonl   every shown passage once, appended before the first row that names it
      hard.json        the hard subset, if there is one, written once
      outcomes.torn-N  rows that a kill cut in two, kept aside

The process that writes holds a lock on `outcomes.jsonl`. Reading needs no lock: see `reader`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mmad_rag.benchmark.run.budget import Spent
from mmad_rag.benchmark.run.passage_log import PassageLog
from mmad_rag.benchmark.run.reader import (
    HARD_FILE,
    HEADER_FILE,
    HEADER_JSON,
    OUTCOMES_FILE,
    PASSAGES_FILE,
    QUESTIONS_FILE,
    ROW_JSON,
    question_line,
    read_header,
    read_lines,
    split_torn,
)
from mmad_rag.benchmark.run.records import OutcomeRow, RunHeader, refuse_another
from mmad_rag.errors import DataError
from mmad_rag.files import FolderLock, atomic_write
from mmad_rag.records import Outcome, Passage, Question, Usage

OUR_NAMES = (HEADER_FILE, QUESTIONS_FILE, HARD_FILE, PASSAGES_FILE, "outcomes.")
"""Prefixes of the names of a run's files."""


def lock_run(folder: Path) -> FolderLock:
    """Open the outcomes for appending, and lock them against every other process that writes.

    Raises:
        DataError: the folder holds something else, is being written by another process, or cannot be written.
    """
    path = folder / OUTCOMES_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [item.name for item in folder.iterdir() if not item.name.lstrip(".").startswith(OUR_NAMES)]
        if foreign and not path.exists():
            raise DataError(f"{folder} is not a run folder, it holds {min(foreign)}; give another --out")
        busy = f"another process is writing the run in {folder}; wait for it to end, or give another --out"
        return FolderLock(path, busy=DataError(busy))
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}); give another --out") from error


class RunStore:
    """A run folder that is open for writing; a context manager.

    Args:
        folder: The run folder; it is created if needed, and a run in it is continued.
        header: What the run is.
        questions: The questions that each arm is asked, in order.
        hard: Content of the file of the hard subset; None for a run without one.
        retry_empty: Whether replies without text that the folder already holds are asked for again.

    Raises:
        DataError: the folder holds something else, another run, a damaged one, or is being written by another
            process; or it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        header: RunHeader,
        questions: Sequence[Question],
        *,
        hard: bytes | None = None,
        retry_empty: bool = False,
    ) -> None:
        self.folder = folder
        self._retry_empty = retry_empty
        self._empty: dict[tuple[str, str, int], float] = {}  # latencies of latest replies without text
        self._usage = Usage(0, 0)
        self._max_usage: dict[str, Usage] = {}
        self._uncounted = 0
        self._known: dict[tuple[str, str, int], tuple[str, Outcome]] = {}
        self._lock = lock_run(folder)
        try:
            self.header = self._begin(header, questions, hard)
            for row in self._recover():
                self._note(row)
            self._passages = PassageLog(folder)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write everything to disk and release the lock."""
        if self._lock.file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._lock.file)
        self._lock.release()

    @property
    def spent(self) -> Spent:
        """Token counts of all replies, including replies that were asked for again."""
        return Spent(self._usage, dict(self._max_usage), self._uncounted)

    @property
    def has_replies(self) -> bool:
        """Whether any question ever got a reply, which proves that the model's set-up was right."""
        return any(outcome is not Outcome.FAILED for _, outcome in self._known.values())

    def kept(self, question: str, arm: str, key: str, rotation: int = 0) -> Outcome | None:
        """The latest outcome, if it has this key, did not fail and need not be asked again."""
        place = question, arm, rotation
        return None if self._retry_empty and place in self._empty else self._outcome(place, key)

    def _outcome(self, place: tuple[str, str, int], key: str) -> Outcome | None:
        """The latest outcome of a question, arm and rotation, if it has this key and did not fail."""
        known, outcome = self._known.get(place, ("", Outcome.FAILED))
        return outcome if known == key and outcome is not Outcome.FAILED else None

    def append(self, row: OutcomeRow, passages: Sequence[Passage] = ()) -> None:
        """Write one row, whole or not at all, after those of its passages that no earlier row names.

        Raises:
            DataError: the row cannot be written, for instance because the disk is full.
        """
        self._passages.keep(passages)
        line = ROW_JSON.dump_json(row) + b"\n"
        size = os.fstat(self._lock.file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._lock.file, line[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._lock.file, size)
            raise DataError(
                f"an outcome cannot be written to {self.folder / OUTCOMES_FILE} ({error.strerror}); "
                "mend that and give the same command again: nothing else is lost"
            ) from error
        self._note(row)

    def read_by(self, parser_version: int) -> None:
        """Write into the header which version of the parser has read the replies.

        Raises:
            DataError: the header cannot be written.
        """
        self.header = dataclasses.replace(self.header, parser_version=parser_version)
        _write(self.folder / HEADER_FILE, HEADER_JSON.dump_json(self.header, indent=2, by_alias=True) + b"\n")

    def _note(self, row: OutcomeRow) -> None:
        place = row.question, row.arm, row.rotation
        read_again = self._outcome(place, row.key) is not None
        if read_again and self._empty.get(place, row.latency_s) != row.latency_s:
            read_again = False  # an empty reply was asked for once more
        self._known[place] = (row.key, row.outcome)
        self._empty.pop(place, None)
        if row.has_no_text:
            self._empty[place] = row.latency_s
        if read_again or row.reply is None:
            return
        if row.usage is None:
            self._uncounted += 1
            return
        self._usage = Usage(
            self._usage.prompt_tokens + row.usage.prompt_tokens,
            self._usage.completion_tokens + row.usage.completion_tokens,
        )
        self._max_usage[row.arm] = max(self._max_usage.get(row.arm, row.usage), row.usage, key=_tokens)

    def _begin(self, header: RunHeader, questions: Sequence[Question], hard: bytes | None) -> RunHeader:
        """Write the header of a new run, or compare it with that of the run in the folder."""
        path = self.folder / HEADER_FILE
        if path.exists():
            found = read_header(self.folder)
            refuse_another(found, header, self.folder)
            self._restore(questions, hard)
            return found
        if os.fstat(self._lock.file).st_size:
            raise DataError(f"{self.folder} has outcomes but no {HEADER_FILE}; give another --out")
        self._restore(questions, hard)
        _write(path, HEADER_JSON.dump_json(header, indent=2, by_alias=True) + b"\n")
        return header

    def _restore(self, questions: Sequence[Question], hard: bytes | None) -> None:
        """Write the files that the header vouches for, if they are absent or damaged."""
        wanted = {QUESTIONS_FILE: b"".join(map(question_line, questions))}
        if hard is not None:
            wanted[HARD_FILE] = hard
        for name, data in wanted.items():
            path = self.folder / name
            if not path.is_file() or path.read_bytes() != data:
                _write(path, data)

    def _recover(self) -> Iterator[OutcomeRow]:
        """Read the rows, and cut off a last row that a kill tore."""
        path = self.folder / OUTCOMES_FILE
        raw = path.read_bytes()
        whole, torn = split_torn(raw)
        if len(whole) > len(raw):
            os.write(self._lock.file, b"\n")
        elif torn:
            _write(_free_name(self.folder), torn)
            os.ftruncate(self._lock.file, len(whole))
        return read_lines(whole, path, ROW_JSON)


def _tokens(usage: Usage) -> int:
    return usage.prompt_tokens + usage.completion_tokens


def clear_run(folder: Path) -> None:
    """Remove the run from a folder, so that another can begin there; files that are not a run's stay.

    Raises:
        DataError: the folder holds something else and no run, is being written by another process, or cannot
            be written.
    """
    with lock_run(folder) as lock:
        try:
            os.ftruncate(lock.file, 0)  # first: a header without outcomes is a run that has just begun
            for path in folder.iterdir():
                if path.name != OUTCOMES_FILE and path.name.lstrip(".").startswith(OUR_NAMES):
                    path.unlink()
        except OSError as error:
            raise DataError(f"{folder} cannot be cleared ({error.strerror}); give another --out") from error


def _write(path: Path, data: bytes) -> None:
    try:
        atomic_write(path, data)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); free space or give another --out"
        ) from error


def _free_name(folder: Path) -> Path:
    names = (folder / f"outcomes.torn-{number}" for number in itertools.count(1))
    return next(name for name in names if not name.exists())
