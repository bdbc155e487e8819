"""Read an answers file as MMAD's own scripts write it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.data.dataset_names import spellings
from mmad_rag.benchmark.data.mmad import LETTERS, MMAD_COLUMNS
from mmad_rag.benchmark.data.question_types import TypeReader
from mmad_rag.benchmark.data.strict_json import MEND, as_list, as_object, as_text, parse_json
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.asked_words import asked_among, asked_words, letters_among, plain
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
"""Name of the arm that the rows belong to, unless another is given."""
UNANSWERED = "the answers file does not answer it"
"""The error of a row for a question that the file leaves out."""


def answers_as_rows(
    records: Sequence[AnswerRecord],
    questions: Sequence[Question],
    *,
    name: str = "the answers",
    arm: str = ARM,
) -> tuple[OutcomeRow, ...]:
    """One row per question: the file's answer, invalid if that is not an option, failed if there is none.

    A record whose text is longer than the question's words (some of MMAD's scripts keep the options with
    them) belongs to the one question about its image whose words it contains. Where the record keeps the
    options, its letters are read by their texts, because some scripts shuffle them.

    Args:
        records: The records in the file's order.
        questions: The questions that had to be answered; they, not the file, give the denominator.
        name: Name of the file, for messages.
        arm: Name of the arm that the rows belong to.

    Raises:
        DataError: a record belongs to no question, answers a question that another record answers, or names
            another right answer; the message names the record, counted from 0.
    """
    open_ones = by_image(questions)
    found: dict[str, OutcomeRow] = {}
    for number, record in enumerate(records):
        where = f"{name}, record {number}"
        choices = asked_words(record.question).choices
        about = next((open_ones[path] for path in spellings(record.image) if path in open_ones), {})
        asked = asked_among(about, record.question, choices)
        if asked is None:
            raise DataError(
                f"{where}: the data hold no question {record.question!r} about {record.image}; "
                "give the data that were answered, or leave --data out"
            )
        if not asked:
            raise DataError(f"{where}: {record.image} has two answers to {record.question!r}; keep one")
        question = asked.pop(0)
        letters = letters_among(choices, question.choices) or {letter: letter for letter in LETTERS}
        if letters.get(record.correct_answer or "") != question.answer:
            raise DataError(
                f"{where}: the right answer is {record.correct_answer!r} there and {question.answer!r} in "
                "the data; give the data that were answered"
            )
        letter = letters.get(record.gpt_answer or "")
        found[question.id] = answer_row(question, letter, arm, reply=record.gpt_answer)
    return tuple(found.get(question.id) or unanswered_row(question, arm) for question in questions)


def by_image(questions: Sequence[Question]) -> dict[str, dict[str, list[Question]]]:
    """Image path -> words, as `plain` gives them -> the questions with these words, in their order."""
    found: dict[str, dict[str, list[Question]]] = defaultdict(lambda: defaultdict(list))
    for question in questions:
        found[question.image_path][plain(question.text)].append(question)
    return found


def answer_row(question: Question, letter: str | None, arm: str, *, reply: str | None) -> OutcomeRow:
    """The row of an answer; invalid if the letter is not an option, or no right one is known."""
    if not question.answer or letter not in [choice.letter for choice in question.choices]:
        return OutcomeRow("", question.id, arm, Outcome.INVALID, reply=reply)
    outcome = Outcome.CORRECT if letter == question.answer else Outcome.WRONG
    return OutcomeRow("", question.id, arm, outcome, letter, reply=reply)


def unanswered_row(question: Question, arm: str) -> OutcomeRow:
    """The row of a question that was not answered."""
    return OutcomeRow("", question.id, arm, Outcome.FAILED, error=UNANSWERED)
