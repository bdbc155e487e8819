"""Score and compare the arms of a run on parts of its questions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.analysis.compare import Comparison, compare_all
from mmad_rag.benchmark.run.records import Run
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.benchmark.score.table import ScoreTable
from mmad_rag.benchmark.stats.resample import join_arms
from mmad_rag.records import RouteOutcome


@dataclass(frozen=True, slots=True)
class Subset:
    """What the arms come to on a part of the questions."""

    name: str
    """What the questions have in common."""
    questions: int
    """How many there are."""
    of_questions: int
    """How many the run asks."""
    tables: tuple[tuple[str, ScoreTable], ...]
    """Arm and its scores by the rule `fixed`."""
    comparisons: tuple[Comparison, ...]
    """Every other arm against the baseline; empty without the baseline."""


def arm_tables(run: Run, arms: Sequence[str]) -> tuple[tuple[str, ScoreTable], ...]:
    """Arm and its scores by the rule `fixed`, in the order given."""
    return tuple(
        (arm, score_run(run.rows, run.questions, Rule.FIXED, arm, columns=run.columns)) for arm in arms
    )


def on_subset(
    run: Run,
    name: str,
    questions: Collection[str],
    arms: Sequence[str],
    *,
    baseline: str,
    replicates: int,
    margin: float,
    seed: int,
) -> Subset | None:
    """Score the arms on the questions with these ids; None where the run asks none of them."""
    part = run.only(questions)
    if not part.questions:
        return None
    tables = arm_tables(part, arms)
    comparisons: tuple[Comparison, ...] = ()
    if baseline in arms and len(arms) > 1:
        joint = join_arms(
            part.rows, part.questions, arms, columns=part.columns, replicates=replicates, seed=seed
        )
        comparisons = compare_all(joint, baseline, margin=margin)
    return Subset(name, len(part.questions), len(run.questions), tables, comparisons)


def rightly_routed(run: Run, arm: str) -> frozenset[str]:
    """Ids of the questions whose image an arm routed to the true product alone."""
    product = {question.id: question.product for question in run.questions}
    return frozenset(
        row.question
        for row in run.rows
        if row.arm == arm and row.route is RouteOutcome.PRODUCT and row.products == (product[row.question],)
    )
