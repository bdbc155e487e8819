"""The order in which a question's options are shown."""

from __future__ import annotations

import hashlib
import json

from mmad_rag.records import Choice, Question


def shown_choices(question: Question, seed: int | None, rotation: int = 0) -> tuple[Choice, ...]:
    """The options as they are shown: in an order drawn for this question, lettered anew from A.

    Args:
        question: The question whose options are shown.
        seed: Seed for the order; None keeps the file's order. The same seed gives a question the same order
            in every arm and in every run, whatever else is asked.
        rotation: Number of options that are moved from the top to the end, for circular evaluation.
    """
    drawn = _drawn(question, seed, rotation)
    return tuple(
        Choice(place.letter, choice.text) for place, choice in zip(question.choices, drawn, strict=True)
    )


def own_letter(question: Question, seed: int | None, letter: str, rotation: int = 0) -> str:
    """The letter that the file gives to the option that was shown as `letter`."""
    shown = [choice.letter for choice in question.choices]
    return _drawn(question, seed, rotation)[shown.index(letter)].letter


def _drawn(question: Question, seed: int | None, rotation: int) -> tuple[Choice, ...]:
    """The file's options in the order they are shown; over seeds every order is equally likely."""

    def lot(choice: Choice) -> str:  # a hash, because a library's shuffle may change with its version
        return hashlib.sha256(json.dumps([seed, question.id, choice.letter]).encode()).hexdigest()

    choices = question.choices if seed is None else tuple(sorted(question.choices, key=lot))
    return choices[rotation:] + choices[:rotation]
