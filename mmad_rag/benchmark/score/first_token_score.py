"""Score the arms of a run by their first tokens, beside the score by words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.run.first_token import likeliest
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.records import Outcome, Question


@dataclass(frozen=True, slots=True)
class SecondReading:
    """The scores of an arm by two readings, in percent by the rule `fixed`, macro-averaged."""

    arm: str
    """Name of the arm."""
    questions: int
    """Number of questions."""
    known: int
    """Number of questions for which the endpoint gave probabilities; the second reading takes the others as
    wrong."""
    by_words: float
    """The score by the replies' words, see `parse`."""
    by_first_token: float
    """The score by the likeliest letter at the first position, see `first_token`."""
    invalid: int
    """Number of replies whose first token is not a choice."""
    alike: int
    """Number of replies with probabilities that both readings read alike."""


def second_reading(run: Run) -> tuple[SecondReading, ...]:
    """One entry per arm for which any probabilities are known, in the run's order."""
    asked = {question.id: question for question in run.questions}
    found = []
    for arm in run.header.arms:
        rows = [row for row in run.rows if row.arm == arm.name]
        known = [row for row in rows if row.probabilities is not None]
        if not known:
            continue
        again = [_read(row, asked[row.question]) for row in rows]
        letters = {row.question: row.letter for row in again}
        found.append(
            SecondReading(
                arm.name,
                len(run.questions),
                len(known),
                by_words=_percent(rows, run, arm.name),
                by_first_token=_percent(again, run, arm.name),
                invalid=sum(letters[row.question] is None for row in known),
                alike=sum(letters[row.question] == row.letter for row in known),
            )
        )
    return tuple(found)


def _percent(rows: Sequence[OutcomeRow], run: Run, arm: str) -> float:
    table = score_run(rows, run.questions, Rule.FIXED, arm, columns=run.columns)
    return table.cell(AVERAGE, AVERAGE).percent or 0.0


def _read(row: OutcomeRow, question: Question) -> OutcomeRow:
    if row.outcome is Outcome.FAILED:
        return row
    letter = None if row.probabilities is None else likeliest(row.probabilities)
    if letter is None:
        outcome = Outcome.INVALID
    else:
        outcome = Outcome.CORRECT if letter == question.answer else Outcome.WRONG
    return dataclasses.replace(row, letter=letter, outcome=outcome)
