"""Read the replies of a run again with this version's parser, without asking the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.run.grade import regrade
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.benchmark.run.store import RunStore
from mmad_rag.reading.parse import PARSER_VERSION


@dataclass(frozen=True, slots=True)
class ChangedReading:
    """One reply that is read differently now."""

    question: str
    """The question's id."""
    arm: str
    """The arm's name."""
    rotation: int
    """Rotation of the options, see `circular`."""
    before: str | None
    """The letter that was read, by the question's file; None for no choice."""
    after: str | None
    """The letter that is read now."""


@dataclass(frozen=True, slots=True)
class Rescoring:
    """The result of reading replies again."""

    parser_before: int
    """Version of the parser that had read the replies."""
    parser_after: int
    """Version of this parser."""
    replies: int
    """Number of replies."""
    changed: tuple[ChangedReading, ...]
    """The replies that are read differently now: questions in order, arms in order."""
    written: bool
    """Whether the run folder holds the new readings."""
    unexplained: int = 0
    """Number of replies without text whose end was not recorded; earlier versions kept errors that an
    endpoint told of with status 200 as such replies."""


def rescore(folder: Path, *, write: bool = True) -> Rescoring:
    """Read every reply of a run again.

    The run folder stays append-only: a changed reading is appended as a later row, then the header names the
    new parser. If the process is killed in between, the same call completes the work.

    Args:
        folder: The run folder.
        write: Whether the folder is changed; False only reports what would change.

    Raises:
        DataError: it is not a run folder, it is damaged, or another process writes it.
    """
    run = read_run(folder)
    if not write:
        return _told(run, _changed(run), written=False)
    with RunStore(folder, run.header, run.questions) as store:
        run = read_run(folder)  # read again, because no other process can write now
        pairs = _changed(run)
        for _, after in pairs:
            store.append(after)
        store.read_by(PARSER_VERSION)
    return _told(run, pairs, written=True)


def _changed(run: Run) -> list[tuple[OutcomeRow, OutcomeRow]]:
    """The rows that are read differently now, each as it is and as it would be."""
    asked = {question.id: question for question in run.questions}
    rows = (*run.rows, *run.rotated)
    again = (regrade(row, asked[row.question], run.header.shuffle_options) for row in rows)
    return [(before, after) for before, after in zip(rows, again, strict=True) if before != after]


def _told(run: Run, pairs: Sequence[tuple[OutcomeRow, OutcomeRow]], *, written: bool) -> Rescoring:
    changed = tuple(
        ChangedReading(before.question, before.arm, before.rotation, before.letter, after.letter)
        for before, after in pairs
    )
    rows = [row for row in (*run.rows, *run.rotated) if row.reply is not None]
    return Rescoring(
        run.header.parser_version,
        PARSER_VERSION,
        len(rows),
        changed,
        written,
        unexplained=sum(row.has_no_text and row.finish is None for row in rows),
    )
