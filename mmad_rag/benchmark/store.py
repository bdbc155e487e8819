"""Keep a run's outcomes in a folder that survives a kill at any moment.

    runs/NAME/
      run.json         the header, written once
      questions.jsonl  the questions, written once, so that a run can be scored without the data
      outcomes.jsonl   one row per question and arm, appended as replies come
      outcomes.torn-N  rows that a kill cut in two, kept aside

The process that writes holds a lock on `outcomes.jsonl`. Reading needs none: see `run_folder`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from mmad_rag.benchmark.outcomes import CREATION_FIELDS, ArmHeader, OutcomeRow, RunHeader
from mmad_rag.benchmark.run_folder import (
    HEADER_FILE,
    HEADER_JSON,
    OUTCOMES_FILE,
    QUESTION_JSON,
    QUESTIONS_FILE,
    ROW_JSON,
    read_header,
    read_lines,
    split_torn,
)
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question

_OUR_NAMES = (HEADER_FILE, QUESTIONS_FILE, "outcomes.")


class RunStore:
    """A run folder that is open for writing; a context manager.

    Args:
        folder: Made if need be; the run in it is continued.
        header: What the run is.
        questions: What is asked of each arm, in order.

    Raises:
        DataError: the folder holds something else, another run, a damaged one, or is being written by another
            process; or it cannot be written.
    """

    def __init__(self, folder: Path, header: RunHeader, questions: Sequence[Question]) -> None:
        self.folder = folder
        self._file = _lock(folder)
        try:
            self.header = self._begin(header, questions)
            self._known = {(row.question, row.arm): (row.key, row.outcome) for row in self._recover()}
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
        """Write everything to disk and let go of the lock."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1

    def kept(self, question: str, arm: str, key: str) -> Outcome | None:
        """The outcome that need not be asked again: the latest one, if it has this key and did not fail."""
        known, outcome = self._known.get((question, arm), ("", Outcome.FAILED))
        return outcome if known == key and outcome is not Outcome.FAILED else None

    def append(self, row: OutcomeRow) -> None:
        """Write one row, all of it or nothing.

        Raises:
            DataError: the row cannot be written, for instance because the disk is full.
        """
        line = ROW_JSON.dump_json(row) + b"\n"
        size = os.fstat(self._file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, size)
            raise DataError(
                f"an outcome cannot be written to {self.folder / OUTCOMES_FILE} ({error.strerror}); "
                "mend that and give the same command again: nothing else is lost"
            ) from error
        self._known[row.question, row.arm] = (row.key, row.outcome)

    def _begin(self, header: RunHeader, questions: Sequence[Question]) -> RunHeader:
        """Write the header of a new run, or compare it with that of the run in the folder."""
        path = self.folder / HEADER_FILE
        if path.exists():
            found = read_header(self.folder)
            _compare(found, header, self.folder)
            return found
        if os.fstat(self._file).st_size:
            raise DataError(f"{self.folder} has outcomes but no {HEADER_FILE}; give another --out")
        _write(
            self.folder / QUESTIONS_FILE,
            b"".join(QUESTION_JSON.dump_json(item) + b"\n" for item in questions),
        )
        _write(path, HEADER_JSON.dump_json(header, indent=2) + b"\n")
        return header

    def _recover(self) -> Iterator[OutcomeRow]:
        """Read the rows, and cut off a last one that a kill tore."""
        path = self.folder / OUTCOMES_FILE
        raw = path.read_bytes()
        whole, torn = split_torn(raw)
        if len(whole) > len(raw):
            os.write(self._file, b"\n")
        elif torn:
            _write(_free_name(self.folder), torn)
            os.ftruncate(self._file, len(whole))
        return read_lines(whole, path, ROW_JSON)


def clear_run(folder: Path) -> None:
    """Take the run out of a folder, so that another one can begin there; what is no file of a run stays.

    Raises:
        DataError: the folder holds something else and no run, is being written by another process, or cannot
            be written.
    """
    file = _lock(folder)
    try:
        os.ftruncate(file, 0)  # first: a header without outcomes is a run that has just begun
        for path in folder.iterdir():
            if path.name != OUTCOMES_FILE and path.name.lstrip(".").startswith(_OUR_NAMES):
                path.unlink()
    except OSError as error:
        raise DataError(f"{folder} cannot be cleared ({error.strerror}); give another --out") from error
    finally:
        os.close(file)


def _compare(found: RunHeader, wanted: RunHeader, folder: Path) -> None:
    """Refuse to continue a run under another header, and name what differs."""
    for name, old, new in _compared(found, wanted):
        if old != new:
            raise DataError(
                f"{folder} holds a run with another {name}: {old!r} there, {new!r} now; "
                "give another --out, or the settings of that run"
            )


def _compared(found: RunHeader, wanted: RunHeader) -> Iterator[tuple[str, object, object]]:
    old_names, new_names = (",".join(arm.name for arm in header.arms) for header in (found, wanted))
    yield "list of arms", old_names, new_names
    for old, new in zip(found.arms, wanted.arms, strict=False):
        for field in dataclasses.fields(ArmHeader):
            yield f"{field.name} of arm {new.name}", getattr(old, field.name), getattr(new, field.name)
    for field in dataclasses.fields(RunHeader):
        if field.name not in CREATION_FIELDS:
            yield field.name.replace("_", " "), getattr(found, field.name), getattr(wanted, field.name)


def _write(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees all of it or nothing."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); free space or give another --out"
        ) from error


def _free_name(folder: Path) -> Path:
    names = (folder / f"outcomes.torn-{number}" for number in itertools.count(1))
    return next(name for name in names if not name.exists())


def _lock(folder: Path) -> int:
    """Open the outcomes for appending, and hold them against every other process that writes."""
    path = folder / OUTCOMES_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = [item.name for item in folder.iterdir() if not item.name.lstrip(".").startswith(_OUR_NAMES)]
        if foreign and not path.exists():
            raise DataError(f"{folder} is no run folder, it holds {min(foreign)}; give another --out")
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    except OSError as error:
        raise DataError(f"{folder} cannot be written ({error.strerror}); give another --out") from error
    try:
        _hold(file)
    except OSError:
        os.close(file)
        raise DataError(
            f"another process is writing the run in {folder}; wait for it to end, or give another --out"
        ) from None
    return file


def _hold(file: int) -> None:
    """Take the lock or raise OSError; the system lets go of it when the process ends, however it ends."""
    if sys.platform == "win32":  # pragma: no cover
        import msvcrt

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
