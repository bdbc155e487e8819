"""Sum up a run: every arm's scores, every difference, and how the images were routed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.analysis.arm_scores import ArmScore, arm_scores
from mmad_rag.benchmark.analysis.circular import CircularScore, circular_scores
from mmad_rag.benchmark.analysis.compare import Comparison, compare_all, compare_joint
from mmad_rag.benchmark.analysis.cost import Spending, spending
from mmad_rag.benchmark.analysis.decompose import Decomposition, decompose_joint
from mmad_rag.benchmark.analysis.endings import ArmEndings, endings_of
from mmad_rag.benchmark.analysis.subsets import Subset, arm_tables, on_subset, rightly_routed
from mmad_rag.benchmark.analysis.two_runs import put_together
from mmad_rag.benchmark.run.arms import ROUTING_ARMS
from mmad_rag.benchmark.run.records import Run
from mmad_rag.benchmark.score.first_token_score import SecondReading, second_reading
from mmad_rag.benchmark.score.table import ScoreTable
from mmad_rag.benchmark.stats.resample import REPLICATES, join_arms
from mmad_rag.benchmark.stats.verdict import MARGIN
from mmad_rag.errors import DataError
from mmad_rag.models.prices import Price, load_prices
from mmad_rag.records import RouteOutcome


@dataclass(frozen=True, slots=True)
class RoutingCounts:
    """How the images of an arm were routed; each image counts once."""

    arm: str
    images: int
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
            f"routing in {self.arm}: {self.right} of {self.images} images to the right product, "
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
    hard: Subset | None = None
    """The same arms on the hard subset; None where the run has none, or asks none of it."""
    rightly_routed: tuple[Subset, ...] = ()
    """Each arm that routed, on the questions whose image it routed rightly, beside the baseline."""
    circular: tuple[CircularScore, ...] = ()
    """One per arm for a run with circular evaluation."""
    second_reading: tuple[SecondReading, ...] = ()
    """One per arm whose replies came with probabilities."""
    spending: Spending | None = None
    """What the run has cost; None where that is not known."""
    levels: tuple[ArmScore, ...] = ()
    """Arm and its scores with their intervals, in the run's order; empty for two runs put together."""
    endings: tuple[ArmEndings, ...] = ()
    """How the replies of each arm ended, in the run's order."""


def compare_run(run: Run, baseline: str = "none", *, seed: int = 0) -> tuple[Comparison, ...]:
    """Every other arm of a run compared with a baseline; empty for `none` where the run has no such arm.

    Raises:
        DataError: a baseline other than `none` is not in the run, or a question has no outcome yet.
    """
    arms = _arms_beside(run, baseline)
    return compare_all(join_arms(run.rows, run.questions, arms, columns=run.columns, seed=seed), baseline)


def _arms_beside(run: Run, baseline: str) -> list[str]:
    """The arms of a run, which has the baseline unless that is `none`."""
    arms = [arm.name for arm in run.header.arms]
    if baseline not in arms and baseline != "none":
        raise DataError(f"the run {run.folder} has no arm {baseline!r}; it has {', '.join(arms)}")
    return arms


def summarise(
    run: Run,
    *,
    baseline: str = "none",
    replicates: int = REPLICATES,
    margin: float = MARGIN,
    seed: int = 0,
    prices: Sequence[Price] | None = None,
) -> RunSummary:
    """Score every arm, compare it with the baseline, and take the gain apart.

    Args:
        run: A finished run.
        baseline: The arm to compare with.
        replicates: Bootstrap draws, at least 1.
        margin: Percentage points that do not matter, 0 or more.
        seed: Of the draws.
        prices: What models cost; None takes the table that comes with the library.

    Raises:
        DataError: a question has no outcome yet, a baseline other than `none` is not in the run, or a number
            is out of range.
    """
    arms = _arms_beside(run, baseline)
    tables = arm_tables(run, arms)
    joint = join_arms(run.rows, run.questions, arms, columns=run.columns, replicates=replicates, seed=seed)
    comparisons = compare_all(joint, baseline, margin=margin)
    routing = tuple(routing_counts(run, arm) for arm in arms if arm in ROUTING_ARMS)

    def on(name: str, questions: Collection[str], compared: Sequence[str]) -> Subset | None:
        return on_subset(
            run, name, questions, compared,
            baseline=baseline, replicates=replicates, margin=margin, seed=seed,
        )  # fmt: skip

    hard = on("on the hard subset", run.hard.questions, arms) if run.hard is not None else None
    routed = (
        on("where routing was right", rightly_routed(run, counts.arm), _beside(baseline, counts.arm, arms))
        for counts in routing
    )
    return RunSummary(
        tables,
        comparisons,
        routing,
        decompose_joint(joint),
        hard=hard,
        rightly_routed=tuple(subset for subset in routed if subset is not None),
        circular=circular_scores(run),
        second_reading=second_reading(run),
        spending=spending(run, comparisons, load_prices() if prices is None else prices),
        levels=arm_scores(joint),
        endings=endings_of(run),
    )


@dataclass(frozen=True, slots=True)
class TwoRunsSummary:
    """Two runs of the same questions, compared arm by arm."""

    differences: tuple[str, ...]
    """What differs between the runs, per arm."""
    summary: RunSummary
    """Arms are called `<run>:<arm>`; each of the second run is compared with its like in the first."""


def summarise_two(
    first: Run, second: Run, *, replicates: int = REPLICATES, margin: float = MARGIN, seed: int = 0
) -> TwoRunsSummary:
    """Score the arms of two runs, and compare those that both have.

    Raises:
        DataError: the runs cannot be compared, see `put_together`; a question has no outcome yet, or a number
            is out of range.
    """
    two = put_together(first, second)
    run, arms = two.run, [arm.name for arm in two.run.header.arms]
    tables = arm_tables(run, arms)
    joint = join_arms(run.rows, run.questions, arms, columns=run.columns, replicates=replicates, seed=seed)
    comparisons = tuple(compare_joint(joint, before, after, margin=margin) for before, after in two.pairs)
    return TwoRunsSummary(
        two.differences,
        RunSummary(tables, comparisons, (), decompose_joint(joint), endings=endings_of(run)),
    )


def _beside(baseline: str, arm: str, arms: Sequence[str]) -> tuple[str, ...]:
    return (baseline, arm) if baseline in arms and baseline != arm else (arm,)


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
