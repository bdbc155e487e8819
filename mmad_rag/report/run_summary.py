"""Sum up a run: every arm's scores, every difference, and how the pictures were routed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from mmad_rag.benchmark.arms import ROUTING_ARMS
from mmad_rag.benchmark.compare import Comparison, compare_joint
from mmad_rag.benchmark.decompose import Decomposition, decompose_joint
from mmad_rag.benchmark.joint import REPLICATES, join_arms
from mmad_rag.benchmark.outcomes import Run
from mmad_rag.benchmark.score import score_run
from mmad_rag.benchmark.score_table import Rule, ScoreTable
from mmad_rag.benchmark.verdict import MARGIN
from mmad_rag.errors import DataError
from mmad_rag.records import RouteOutcome


@dataclass(frozen=True, slots=True)
class RoutingCounts:
    """How the pictures of an arm were routed; each picture counts once."""

    arm: str
    pictures: int
    right: int
    """Routed to the true product alone."""
    near_tie: int
    """Near-ties that hold the true product."""
    wrong: int
    """Routed to other products only."""
    unknown: int
    """Declared to be outside the catalogue, although all of these products are MMAD's."""

    def __str__(self) -> str:
        return (
            f"routing in {self.arm}: {self.right} of {self.pictures} pictures to the right product, "
            f"{self.near_tie} near-ties with it, {self.wrong} wrong, {self.unknown} called unknown"
        )


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run came to."""

    tables: tuple[tuple[str, ScoreTable], ...]
    """Arm and its scores by the rule `fixed`, in the run's order."""
    comparisons: tuple[Comparison, ...]
    """Every other arm against the baseline; empty for a run without the baseline."""
    routing: tuple[RoutingCounts, ...]
    """One for each arm that routed."""
    decomposition: Decomposition
    """What the gain is made of, as far as the arms tell."""


def summarise(
    run: Run,
    *,
    baseline: str = "none",
    replicates: int = REPLICATES,
    margin: float = MARGIN,
    seed: int = 0,
) -> RunSummary:
    """Score every arm, compare it with the baseline, and take the gain apart.

    Args:
        run: A finished run.
        baseline: The arm to compare with.
        replicates: Bootstrap draws, at least 1.
        margin: Percentage points that do not matter, 0 or more.
        seed: Of the draws.

    Raises:
        DataError: a question has no outcome yet, a baseline other than `none` is not in the run, or a number
            is out of range.
    """
    arms = [arm.name for arm in run.header.arms]
    if baseline not in arms and baseline != "none":
        raise DataError(f"the run {run.folder} has no arm {baseline!r}; it has {', '.join(arms)}")
    tables = tuple((arm, score_run(run.rows, run.questions, Rule.FIXED, arm)) for arm in arms)
    compared = [arm for arm in arms if arm != baseline] if baseline in arms else []
    joint = join_arms(run.rows, run.questions, arms, replicates=replicates, seed=seed)
    comparisons = tuple(compare_joint(joint, baseline, arm, margin=margin) for arm in compared)
    routing = (routing_counts(run, arm) for arm in arms if arm in ROUTING_ARMS)
    return RunSummary(tables, comparisons, tuple(routing), decompose_joint(joint))


def routing_counts(run: Run, arm: str) -> RoutingCounts:
    """Compare what was routed to with the product in the image's path."""
    asked = {question.id: question for question in run.questions}
    kinds: dict[str, str] = {}
    for row in run.rows:
        if row.arm != arm or row.route is None:
            continue
        question = asked[row.question]
        if row.route is RouteOutcome.UNKNOWN:
            kind = "unknown"
        elif question.product not in row.products:
            kind = "wrong"
        else:
            kind = "near_tie" if row.route is RouteOutcome.NEAR_TIE else "right"
        kinds[question.image_path] = kind
    counts = Counter(kinds.values())
    return RoutingCounts(
        arm, len(kinds), counts["right"], counts["near_tie"], counts["wrong"], counts["unknown"]
    )
