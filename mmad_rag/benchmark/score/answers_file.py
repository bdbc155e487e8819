"""Read an answers file as MMAD's own scripts write it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.benchmark.data.question_types import TypeReader
from mmad_rag.benchmark.data.strict_json import MEND, as_list, as_object, as_text, parse_json
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.errors import DataError
from mmad_rag.records import Json, Outcome, Question


@dataclass(frozen=True, slots=True)
class AnswerRecord:
    """One answered question."""

    image: str
    """The image's path, relative to the data folder."""
    question: str
    """The question as it was asked."""
    question_type: str
    """The raw question type; MMAD has nine."""
    correct_answer: str | None
    """The letter of the right option; None if the file holds something that is not text."""
    gpt_answer: str | None
    """The letter that was read; anything else, or None, if no choice could be read."""


def read_answers(path: Path) -> tuple[AnswerRecord, ...]:
    """Read a JSON list of `{"image", "question", "question_type", "correct_answer", "gpt_answer"}`.

    An answer that could not be read is an empty text, null or anything else that is not a letter: it stays in
    the list, and the scoring rule decides what becomes of it.

    Raises:
        DataError: the file is absent or is not such a list; the message names the record, counted from 0.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check the path") from error
    values = as_list(parse_json(raw, path), str(path))
    if not values:
        raise DataError(f"{path} holds no answers; {MEND}")
    types = TypeReader(MMAD_COLUMNS.folds)
    return tuple(_record(value, types, f"{path}, record {number}") for number, value in enumerate(values))


def _record(value: object, types: TypeReader, where: str) -> AnswerRecord:
    entry = as_object(value, where)
    question_type = as_text(entry, "question_type", where)
    types.column_of(question_type, where)
    return AnswerRecord(
        as_text(entry, "image", where),
        _question(entry, where),
        question_type,
        _letter(entry, "correct_answer", where),
        _letter(entry, "gpt_answer", where),
    )


def _question(entry: Json, where: str) -> str:
    """The question's text, from a text or from an object with everything that was asked (MMAD's scripts write
    both)."""
    question = entry.get("question")
    if isinstance(question, dict):
        return json.dumps(question, sort_keys=True)
    return as_text(entry, "question", where)


def _letter(entry: Json, name: str, where: str) -> str | None:
    if name not in entry:
        raise DataError(f"{where}: {name!r} is missing; {MEND}")
    value = entry[name]
    return value if isinstance(value, str) else None


ARM = "answers"
"""Name of the arm that the rows belong to."""


def answers_as_rows(
    records: Sequence[AnswerRecord], questions: Sequence[Question], *, name: str = "the answers"
) -> tuple[OutcomeRow, ...]:
    """One row per question: the file's answer, invalid if that is not an option, failed if there is none.

    A record whose text is longer than the question's words (some of MMAD's scripts keep the options with
    them) belongs to the one question about its image whose words it contains.

    Args:
        records: The records in the file's order.
        questions: The questions that had to be answered; they, not the file, give the denominator.
        name: Name of the file, for messages.

    Raises:
        DataError: a record belongs to no question, answers a question that another record answers, or names
            another right answer; the message names the record, counted from 0.
    """
    open_ones: dict[str, dict[str, list[Question]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        open_ones[question.image_path][question.text].append(question)
    found: dict[str, OutcomeRow] = {}
    for number, record in enumerate(records):
        where = f"{name}, record {number}"
        asked = _asked(open_ones.get(record.image, {}), record.question)
        if asked is None:
            raise DataError(
                f"{where}: the data hold no question {record.question!r} about {record.image}; "
                "give the data that were answered, or leave --data out"
            )
        if not asked:
            raise DataError(f"{where}: {record.image} has two answers to {record.question!r}; keep one")
        question = asked.pop(0)
        if record.correct_answer != question.answer:
            raise DataError(
                f"{where}: the right answer is {record.correct_answer!r} there and {question.answer!r} in "
                "the data; give the data that were answered"
            )
        found[question.id] = _row(question, record.gpt_answer)
    return tuple(found.get(question.id) or _silent(question) for question in questions)


def _asked(about_image: Mapping[str, list[Question]], words: str) -> list[Question] | None:
    if words in about_image:
        return about_image[words]
    held = [text for text in about_image if text in words or json.dumps(text)[1:-1] in words]
    longest = [text for text in held if not any(text != other and text in other for other in held)]
    return about_image[longest[0]] if len(longest) == 1 else None


def _row(question: Question, letter: str | None) -> OutcomeRow:
    if letter not in [choice.letter for choice in question.choices]:
        return OutcomeRow("", question.id, ARM, Outcome.INVALID, reply=letter)
    outcome = Outcome.CORRECT if letter == question.answer else Outcome.WRONG
    return OutcomeRow("", question.id, ARM, outcome, letter, reply=letter)


def _silent(question: Question) -> OutcomeRow:
    return OutcomeRow("", question.id, ARM, Outcome.FAILED, error="the answers file does not answer it")
