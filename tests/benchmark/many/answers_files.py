"""Answers files for tests, as MMAD's scripts write them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmad_rag.records import Choice, Question

LETTERS = "ABCDE"


def record(question: Question, letter: str, *, form: str = "plain", turn: int = 0) -> dict[str, Any]:
    """A record that answers with a letter of the question's own.

    Args:
        question: The question.
        letter: The letter by the question's own options; anything else is written as it is.
        form: `plain`, the words alone; `sent`, what was sent, in an object; `options`, the same with options
            beside it, as the scripts do that shuffle them.
        turn: By how many places the options are turned.
    """
    shown = [*question.choices[turn:], *question.choices[:turn]]
    letters = {choice.letter: LETTERS[place] for place, choice in enumerate(shown)}
    listed = "".join(f"{letters[choice.letter]}. {choice.text}\n" for choice in shown)
    kept: object = question.text
    if form == "sent":
        kept = {"type": "text", "text": f"Question: {question.text} \n{listed}"}
    if form == "options":
        options = {letters[choice.letter]: choice.text for choice in shown}
        kept = {"text": f"{question.text} \n{listed}", "options": options}
    return {
        "image": question.image_path,
        "question": kept,
        "question_type": question.type,
        "correct_answer": letters.get(question.answer, question.answer),
        "gpt_answer": letters.get(letter, letter),
    }


def write_answers(
    path: Path,
    questions: Sequence[Question],
    wrong: Sequence[int] = (),
    *,
    form: str = "plain",
    turn: int = 0,
    letters: Mapping[int, str] | None = None,
) -> Path:
    """Write a file that answers all questions rightly but those at some places.

    Args:
        path: The file.
        questions: The questions in their order.
        wrong: Places of the questions that get the first wrong option.
        form: See `record`.
        turn: See `record`.
        letters: Place -> letter that is answered there.
    """
    given = letters or {}
    records = []
    for place, question in enumerate(questions):
        letter = question.answer
        if place in wrong:
            letter = next(choice.letter for choice in question.choices if choice.letter != question.answer)
        records.append(record(question, given.get(place, letter), form=form, turn=turn))
    path.write_text(json.dumps(records))
    return path


def choice_question(
    image: str, subtask: str, texts: Sequence[str], answer: str = "A", *, text: str = "Which one?"
) -> Question:
    """A question about an image of the form dataset/product/split/label/file."""
    dataset, product, _, label, _ = image.split("/")
    choices = tuple(Choice(LETTERS[place], words) for place, words in enumerate(texts))
    return Question(f"{image}#0", image, text, choices, answer, subtask, subtask, dataset, product, label)
