"""Read a run folder, also while another process writes it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from mmad_rag.benchmark.analysis.circular import circular_subset
from mmad_rag.benchmark.audit.choose_hard import HardSubset, read_hard
from mmad_rag.benchmark.data.dataset_names import dataset_of
from mmad_rag.benchmark.run.records import RUN_VERSION, OutcomeRow, Run, RunHeader
from mmad_rag.errors import DataError
from mmad_rag.files import first_problem
from mmad_rag.records import Passage, Question

HEADER_FILE = "run.json"
QUESTIONS_FILE = "questions.jsonl"
OUTCOMES_FILE = "outcomes.jsonl"
PASSAGES_FILE = "passages.jsonl"
HARD_FILE = "hard.json"

HEADER_JSON: TypeAdapter[RunHeader] = TypeAdapter(RunHeader)
QUESTION_JSON: TypeAdapter[Question] = TypeAdapter(Question)
ROW_JSON: TypeAdapter[OutcomeRow] = TypeAdapter(OutcomeRow)
PASSAGE_JSON: TypeAdapter[Passage] = TypeAdapter(Passage)
_T = TypeVar("_T")


def read_header(folder: Path) -> RunHeader:
    """Read the header of a run folder.

    Raises:
        DataError: there is no header, or it cannot be used.
    """
    path = folder / HEADER_FILE
    try:
        header = HEADER_JSON.validate_json(path.read_bytes(), strict=True)
    except OSError as error:
        raise DataError(f"{folder} is not a run folder ({path}: {error.strerror}); check the path") from error
    except ValidationError as error:
        raise DataError(
            f"{path} is damaged, or written by another version ({first_problem(error)}); "
            "restore it from a copy"
        ) from error
    if header.version != RUN_VERSION:
        raise DataError(
            f"{path} has version {header.version}, not {RUN_VERSION}; use the mmad-rag that wrote it "
            f"({header.library}), or begin a new run in another folder"
        )
    return header


def read_run(folder: Path) -> Run:
    """Read a run folder, also while it is being written; a torn last row is left out.

    Raises:
        DataError: it is not a run folder, or it is damaged; the message names file and line.
    """
    header = read_header(folder)
    path = folder / QUESTIONS_FILE
    raw = _read(path)
    questions = tuple(map(_counted, read_lines(raw, path, QUESTION_JSON)))
    if questions_sha256(questions) != header.questions_sha256:
        raise DataError(f"{path} is not what the run was started with; restore it from a copy")
    outcomes = folder / OUTCOMES_FILE
    latest = {
        (row.question, row.rotation, row.arm): row
        for row in read_lines(split_torn(_read(outcomes))[0], outcomes, ROW_JSON)
    }
    places = list(places_of(questions, header))
    if unknown := latest.keys() - set(places):
        question, rotation, arm = min(unknown)
        turned = f", rotation {rotation}" if rotation else ""
        raise DataError(
            f"{outcomes} has a row for {question}{turned} in arm {arm}, which the run does not ask"
        )
    rows = [latest[place] for place in places if place in latest]
    return Run(
        folder,
        header,
        questions,
        rows=tuple(row for row in rows if not row.rotation),
        rotated=tuple(row for row in rows if row.rotation),
        passages=read_passages(folder),
        hard=_read_hard(folder, header),
    )


def places_of(questions: Sequence[Question], header: RunHeader) -> Iterator[tuple[str, int, str]]:
    """Every request of a run, in its order: question id, rotation of the options, arm."""
    circular = circular_subset(questions, header.circular, header.circular_seed)
    for question in questions:
        for rotation in range(len(question.choices) if question.id in circular else 1):
            for arm in header.arms:
                yield question.id, rotation, arm.name


def answered_part(run: Run) -> Run:
    """The run, restricted to the questions for which every arm has an outcome: for a run that was cut short.

    A question whose further rotations are not all there counts as unanswered.
    """
    found = {(row.question, row.rotation, row.arm) for row in (*run.rows, *run.rotated)}
    open_ones = {place[0] for place in places_of(run.questions, run.header) if place not in found}
    return run.only({question.id for question in run.questions} - open_ones)


def read_passages(folder: Path) -> dict[str, Passage]:
    """The passages that a run has shown, by id; a torn last line is left out.

    Raises:
        DataError: the file is damaged; the message names the line.
    """
    path = folder / PASSAGES_FILE
    if not path.exists():
        return {}
    raw = _read(path)
    whole = raw[: raw.rfind(b"\n") + 1]
    return {passage.id: passage for passage in read_lines(whole, path, PASSAGE_JSON)}


def _read_hard(folder: Path, header: RunHeader) -> HardSubset | None:
    if header.hard_sha256 is None:
        return None
    path = folder / HARD_FILE
    if hashlib.sha256(_read(path)).hexdigest() != header.hard_sha256:
        raise DataError(f"{path} is not what the run was started with; restore it from a copy")
    return read_hard(path)


def questions_sha256(questions: Sequence[Question]) -> str:
    """SHA-256 (hex) over questions, in order: ids, words, options and answers."""
    digest = hashlib.sha256()
    for question in questions:
        digest.update(question_line(question))
    return digest.hexdigest()


def question_line(question: Question) -> bytes:
    """A question as a run keeps it, with its line end.

    Its dataset is written as the image's path says it, as runs always had it, so that runs of earlier
    versions have the same digest and go on.
    """
    written = question.image_path.split("/")[0]
    if question.dataset == dataset_of(question.image_path) != written:
        question = dataclasses.replace(question, dataset=written)
    return QUESTION_JSON.dump_json(question) + b"\n"


def _counted(question: Question) -> Question:
    """The question with the dataset that its image counts to, whatever the run wrote."""
    if question.dataset != question.image_path.split("/")[0]:
        return question
    return dataclasses.replace(question, dataset=dataset_of(question.image_path))


def read_lines(raw: bytes, path: Path, adapter: TypeAdapter[_T]) -> Iterator[_T]:
    """Read whole lines, each one JSON value.

    Raises:
        DataError: a line is damaged; the message names it.
    """
    for number, line in enumerate(raw.split(b"\n")[:-1], start=1):
        try:
            yield adapter.validate_json(line, strict=True)
        except ValidationError as error:
            raise DataError(
                f"{path} line {number} is damaged ({first_problem(error)}); restore the file from a copy, "
                "or move the folder away and start again"
            ) from error


def split_torn(raw: bytes) -> tuple[bytes, bytes]:
    """Split into the whole rows, each with its line end, and a last row that a kill cut in two (or
    nothing)."""
    end = raw.rfind(b"\n") + 1
    whole, torn = raw[:end], raw[end:]
    try:
        ROW_JSON.validate_json(torn, strict=True)
    except ValidationError:
        return whole, torn
    return raw + b"\n", b""  # only the line end was cut off


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); restore it from a copy") from error
