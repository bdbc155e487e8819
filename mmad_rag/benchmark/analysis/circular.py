"""Ask some questions in every rotation of their options, and count who answers by content.

Circular evaluation, MMBench (arXiv 2307.06281): a question counts only when it is answered rightly in every
rotation, so that a preference for a letter or a place earns nothing. It costs as many requests as there are
options, so it is done on a seeded subset.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.small_sample import wilson
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question


@dataclass(frozen=True, slots=True)
class CircularScore:
    """What an arm is worth when the order of the options must not matter."""

    arm: str
    """Its name."""
    questions: int
    """How many were asked in every rotation."""
    first: float
    """Percent answered rightly in the first order."""
    every: Estimate
    """Percent answered rightly in every order, with its Wilson interval; over all subtasks."""
    same: float
    """Percent for which the same option was chosen in every order, rightly or wrongly."""


def circular_subset(questions: Sequence[Question], size: int, seed: int) -> frozenset[str]:
    """Ids of so many questions, drawn by seed; all of them where there are no more.

    The same seed draws a question before another whatever else is asked, so a smaller subset is part of a
    larger one.
    """

    if not size:
        return frozenset()

    def lot(question: Question) -> str:
        return hashlib.sha256(json.dumps(["circular", seed, question.id]).encode()).hexdigest()

    return frozenset(question.id for question in sorted(questions, key=lot)[:size])


def circular_scores(run: Run) -> tuple[CircularScore, ...]:
    """One per arm, in the run's order; empty for a run without circular evaluation.

    Raises:
        DataError: a rotation has no outcome yet.
    """
    wanted = circular_subset(run.questions, run.header.circular, run.header.circular_seed)
    if len(run.questions) < run.header.questions:  # a part of a run has its part of the subset
        wanted = frozenset(row.question for row in run.rotated)
    chosen = [question for question in run.questions if question.id in wanted]
    if not chosen:
        return ()
    found = {(row.question, row.arm, row.rotation): row for row in (*run.rows, *run.rotated)}
    return tuple(_score(arm.name, chosen, found) for arm in run.header.arms)


def _score(
    arm: str, questions: Sequence[Question], found: dict[tuple[str, str, int], OutcomeRow]
) -> CircularScore:
    first = every = same = 0
    for question in questions:
        places = [(question.id, arm, rotation) for rotation in range(len(question.choices))]
        if missing := [place for place in places if place not in found]:
            raise DataError(
                f"{question.id} has no outcome in the arm {arm} for {len(missing)} of {len(places)} orders "
                "of its options; give the `mmad-rag eval` command again to finish the run"
            )
        rows = [found[place] for place in places]
        first += rows[0].outcome is Outcome.CORRECT
        every += all(row.outcome is Outcome.CORRECT for row in rows)
        same += rows[0].letter is not None and len({row.letter for row in rows}) == 1
    low, high = wilson(every, len(questions))
    percent = 100 / len(questions)
    in_every = Estimate(AVERAGE, percent * every, 100 * low, 100 * high)
    return CircularScore(arm, len(questions), percent * first, in_every, percent * same)
