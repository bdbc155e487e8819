"""Say what a run has cost, and what each point of a gain has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.analysis.compare import Comparison
from mmad_rag.benchmark.run.records import Run
from mmad_rag.models.prices import Price, price_of
from mmad_rag.records import Outcome


@dataclass(frozen=True, slots=True)
class ArmCost:
    """What one arm has cost."""

    arm: str
    """Its name."""
    replies: int
    """How many came."""
    counted: int
    """Number of these whose tokens the provider reported; the sums leave the others out."""
    input_tokens: int
    """Tokens of all prompts."""
    output_tokens: int
    """Tokens of all replies."""
    usd: float
    """US dollars by the price."""


@dataclass(frozen=True, slots=True)
class CostPerPoint:
    """What an arm costs more than the baseline, and what that buys."""

    arm: str
    """Its name."""
    baseline: str
    """What it is compared with."""
    extra_usd: float
    """Cost of the arm less cost of the baseline; below 0 it is cheaper."""
    points: float
    """Gain in the average, in percentage points."""
    per_point: float | None
    """Dollars per point; None where the interval of the gain does not lie above 0."""
    low: float | None
    """Dollars per point at the upper end of the interval."""
    high: float | None
    """Dollars per point at its lower end."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What a run has cost."""

    price: Price
    """Price that the costs are computed by."""
    arms: tuple[ArmCost, ...]
    """Costs of the arms, in the run's order."""
    per_point: tuple[CostPerPoint, ...]
    """One per comparison whose arms reported all their tokens."""


def spending(run: Run, comparisons: Sequence[Comparison], prices: Sequence[Price]) -> Spending | None:
    """What a run has cost; None where the price of its model is not known, or no tokens were reported.

    Only the replies that count are summed: what was asked again is not in it.
    """
    price = price_of(run.header.arms[0].model, prices)
    if price is None:
        return None
    arms = tuple(_arm_cost(run, arm.name, price) for arm in run.header.arms)
    if not any(arm.counted for arm in arms):
        return None
    usd = {arm.arm: arm.usd for arm in arms}
    known = {arm.arm for arm in arms if arm.counted == arm.replies}
    told = (item for item in comparisons if {item.arm.arm, item.baseline.arm} <= known)
    return Spending(price, arms, tuple(_per_point(item, usd) for item in told))


def _arm_cost(run: Run, arm: str, price: Price) -> ArmCost:
    rows = [row for row in (*run.rows, *run.rotated) if row.arm == arm and row.outcome is not Outcome.FAILED]
    usages = [row.usage for row in rows if row.usage is not None]
    return ArmCost(
        arm,
        len(rows),
        len(usages),
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
        sum(price.cost_of(usage) for usage in usages),
    )


def _per_point(comparison: Comparison, usd: dict[str, float]) -> CostPerPoint:
    average = comparison.columns[-1]
    arm, baseline = comparison.arm.arm, comparison.baseline.arm
    extra = usd[arm] - usd[baseline]
    if average.low is None or average.high is None or average.low <= 0:
        return CostPerPoint(arm, baseline, extra, average.difference, None, None, None)
    ends = sorted((extra / average.high, extra / average.low))
    return CostPerPoint(arm, baseline, extra, average.difference, extra / average.difference, *ends)
