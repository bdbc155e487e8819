"""Turn a reply into the row that is kept of it."""

from __future__ import annotations

import dataclasses
import math

from mmad_rag.benchmark.option_order import own_letter, shown_choices
from mmad_rag.benchmark.outcomes import OutcomeRow
from mmad_rag.benchmark.parse import read_choice
from mmad_rag.records import Outcome, Question, Reply


def judged(row: OutcomeRow, question: Question, reply: Reply, shuffle: int | None) -> OutcomeRow:
    """A blank row filled with a reply and what it is worth.

    Args:
        row: Key, question and arm.
        question: What was asked.
        reply: What came.
        shuffle: Seed of the order in which the options were shown; None for the file's order. The row's
            letter is the file's in either case.
    """
    shown = read_choice(reply.text, shown_choices(question, shuffle))
    letter = None if shown is None else own_letter(question, shuffle, shown)
    if letter is None:
        outcome = Outcome.INVALID
    else:
        outcome = Outcome.CORRECT if letter == question.answer else Outcome.WRONG
    row = dataclasses.replace(
        row,
        outcome=outcome,
        letter=letter,
        reply=writable(reply.text),
        model=writable(reply.model),
        usage=reply.usage,
        latency_s=reply.latency_s if math.isfinite(reply.latency_s) else 0.0,
    )
    knowledge = reply.knowledge
    if knowledge is None:
        return row
    return dataclasses.replace(
        row,
        route=knowledge.route.outcome,
        products=knowledge.route.products,
        confidence=knowledge.route.confidence,
        passages=tuple(hit.passage.id for hit in knowledge.hits),
        source=knowledge.source,
    )


def writable(text: str) -> str:
    """The text with lone surrogates replaced: replies can be cut in the middle of a character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
