"""Turn a reply into the row that the run keeps."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math

from mmad_rag.benchmark.data.draws import own_letter, shown_choices
from mmad_rag.benchmark.run.first_token import letter_probabilities
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.models.finish_reason import was_cut
from mmad_rag.reading.parse import read_choice
from mmad_rag.records import Outcome, Question, Reply


def graded(row: OutcomeRow, question: Question, reply: Reply, shuffle: int | None) -> OutcomeRow:
    """The row, filled with a reply and its grade.

    Args:
        row: The row to fill; it holds key, question, arm and rotation.
        question: The question that was asked.
        reply: The model's reply.
        shuffle: Seed for the order in which the options were shown; None for the file's order. The row holds
            the file's letter in either case.
    """
    row = dataclasses.replace(
        regrade(
            dataclasses.replace(row, reply=writable(reply.text), finish=_finish(reply)), question, shuffle
        ),
        probabilities=_probabilities(row, question, reply, shuffle),
        expected=_expected(row, question, reply, shuffle),
        model=writable(reply.model),
        usage=reply.usage,
        latency_s=reply.latency_s if math.isfinite(reply.latency_s) else 0.0,
    )
    knowledge = reply.knowledge
    if knowledge is None:
        return row
    shown = [[hit.passage.id, hit.passage.text] for hit in knowledge.hits]
    return dataclasses.replace(
        row,
        knowledge=hashlib.sha256(json.dumps(shown).encode()).hexdigest() if shown else None,
        route=knowledge.route.outcome,
        products=knowledge.route.products,
        confidence=knowledge.route.confidence,
        passages=tuple(hit.passage.id for hit in knowledge.hits),
        source=knowledge.source,
    )


def regrade(row: OutcomeRow, question: Question, shuffle: int | None) -> OutcomeRow:
    """The row with what this version reads in its reply; a row without a reply stays as it is."""
    if row.reply is None:
        return row
    choices = shown_choices(question, shuffle, row.rotation)
    shown = read_choice(row.reply, choices, cut=was_cut(row.finish))
    if shown is None:
        return dataclasses.replace(row, letter=None, outcome=Outcome.INVALID)
    letter = own_letter(question, shuffle, shown, row.rotation)
    outcome = Outcome.CORRECT if letter == question.answer else Outcome.WRONG
    return dataclasses.replace(row, letter=letter, outcome=outcome)


def _probabilities(
    row: OutcomeRow, question: Question, reply: Reply, shuffle: int | None
) -> dict[str, float] | None:
    """Probability per letter, by the letters of the file."""
    if reply.first_token is None:
        return None
    letters = [choice.letter for choice in question.choices]
    found = letter_probabilities(reply.first_token, letters)
    return {own_letter(question, shuffle, letter, row.rotation): found[letter] for letter in letters}


def _expected(row: OutcomeRow, question: Question, reply: Reply, shuffle: int | None) -> float | None:
    """The probability of the right choice, of a model that draws among options that tie."""
    if reply.odds is None:
        return None
    right = (
        odds
        for letter, odds in reply.odds.items()
        if own_letter(question, shuffle, letter, row.rotation) == question.answer
    )
    return math.fsum(right)


def _finish(reply: Reply) -> str | None:
    return None if reply.finish is None else writable(reply.finish)


def writable(text: str) -> str:
    """The text with lone surrogates replaced: replies can be cut in the middle of a character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
