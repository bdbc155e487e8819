"""Read an answers file as MMAD's own scripts write it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.data.mmad import SUBTASK_OF_TYPE
from mmad_rag.benchmark.data.strict_json import MEND, as_list, as_object, as_text, parse_json
from mmad_rag.errors import DataError
from mmad_rag.records import Json


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answered question."""

    image: str
    """The image's path, relative to the data folder."""
    question: str
    """The question as it was asked."""
    question_type: str
    """MMAD's raw type, one of nine."""
    correct_answer: str | None
    """The letter of the right option; None where the file holds something that is no text."""
    gpt_answer: str | None
    """The letter that was read; anything else, or None, where no choice could be read."""


def read_answers(path: Path) -> tuple[AnswerRecord, ...]:
    """Read a JSON list of `{"image", "question", "question_type", "correct_answer", "gpt_answer"}`.

    An answer that could not be read is an empty text, null or anything else that is no letter: it stays in
    the list, and the scoring rule decides what becomes of it.

    Raises:
        DataError: the file is absent or is no such list; the message names the record, counted from 0.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path") from error
    values = as_list(parse_json(raw, path), str(path))
    if not values:
        raise DataError(f"{path} holds no answers; {MEND}")
    return tuple(_record(value, f"{path}, record {number}") for number, value in enumerate(values))


def _record(value: object, where: str) -> AnswerRecord:
    entry = as_object(value, where)
    question_type = as_text(entry, "question_type", where)
    if question_type not in SUBTASK_OF_TYPE:
        known = ", ".join(SUBTASK_OF_TYPE)
        raise DataError(f"{where}: the question type {question_type!r} is none of {known}; {MEND}")
    return AnswerRecord(
        as_text(entry, "image", where),
        _question(entry, where),
        question_type,
        _letter(entry, "correct_answer", where),
        _letter(entry, "gpt_answer", where),
    )


def _question(entry: Json, where: str) -> str:
    """A text, or an object with everything that was asked (MMAD's scripts write both)."""
    question = entry.get("question")
    if isinstance(question, dict):
        return json.dumps(question, sort_keys=True)
    return as_text(entry, "question", where)


def _letter(entry: Json, name: str, where: str) -> str | None:
    if name not in entry:
        raise DataError(f"{where}: {name!r} is missing; {MEND}")
    value = entry[name]
    return value if isinstance(value, str) else None
