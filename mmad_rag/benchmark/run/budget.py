"""Keep a run within a budget."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mmad_rag.errors import DataError, ModelActionError
from mmad_rag.models.prices import Price
from mmad_rag.records import Usage

_ROUNDING = 1e-9  # dollars
_NO_COUNTS = (
    "the model's replies hold no token counts, so no budget can be kept; leave --budget out, "
    "or ask an endpoint that reports usage"
)


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost."""

    usd: float
    """The most that all requests of the run may cost together, those of earlier calls included."""
    cost_of: Callable[[Usage], float]
    """Price of token counts, in US dollars."""


def check_sum(usd: float | None) -> None:
    """Refuse a budget that is not a sum of money.

    Raises:
        DataError: it is infinite or not a number.
    """
    if usd is not None and not math.isfinite(usd):
        raise DataError(f"a budget of {usd} USD is not a sum; give a number, or leave --budget out")


def budget_of(usd: float | None, price: Price | None) -> Budget | None:
    """The budget of a run; None if no sum is given.

    Raises:
        DataError: the price is not known, or the sum allows no request.
    """
    check_sum(usd)
    if usd is None:
        return None
    if price is None:
        raise DataError(
            "no budget can be kept, as the price of this model is not known; give --prices FILE with a table "
            "of your own, or leave --budget out"
        )
    if not usd > 0 and (price.input or price.output):
        raise DataError(f"a budget of {usd:g} USD allows no request; give more, or leave --budget out")
    return Budget(usd, price.cost_of)


@dataclass(frozen=True, slots=True)
class Spent:
    """What earlier calls left in a run folder."""

    usage: Usage
    """Tokens of all replies."""
    max_usage: Mapping[str, Usage]
    """Arm -> the token counts of its longest request and reply."""
    uncounted: int
    """Replies that came without token counts."""


class BudgetTracker:
    """Tracks what a run has cost, and decides whether another request can be paid for.

    A request under way is assumed to cost as much as the most expensive one of its arm so far, so that
    the sum stays within the budget. An arm without a reply sends one request first, and its others wait until
    the cost of that one is known; until then it is assumed to cost as much as the most expensive request of
    the other arms.

    Args:
        budget: The budget; None allows everything.
        spent: What earlier calls spent.

    Raises:
        ModelActionError: there is a budget, and earlier replies came without token counts.
    """

    def __init__(self, budget: Budget | None, spent: Spent) -> None:
        self._budget = budget
        self._spent = 0.0
        self._max_cost: dict[str, float] = {}
        self._under_way: Counter[str] = Counter()
        self._blind = False  # whether a reply came without token counts
        self._changed = asyncio.Condition()
        if budget is None:
            return
        if spent.uncounted:
            raise ModelActionError(_NO_COUNTS)
        self._spent = budget.cost_of(spent.usage)
        self._max_cost = {arm: budget.cost_of(usage) for arm, usage in spent.max_usage.items()}

    @property
    def spent(self) -> float | None:
        """What the run has cost so far; None without a budget."""
        return None if self._budget is None else self._spent

    async def reserve(self, arm: str) -> bool:
        """Set money aside for a request; False if there is not enough. True must be followed by `release`."""
        if self._budget is None:
            return True
        async with self._changed:
            await self._changed.wait_for(lambda: arm in self._max_cost or not self._under_way[arm])
            foreseen = sum(count * self._cost(name) for name, count in self._under_way.items())
            if self._blind or self._spent + foreseen + self._cost(arm) > self._budget.usd + _ROUNDING:
                return False
            self._under_way[arm] += 1
            return True

    async def release(self, arm: str) -> None:
        """Return what was set aside for a request that has ended; its reply was charged before."""
        if self._budget is None:
            return
        async with self._changed:
            self._under_way[arm] -= 1
            self._changed.notify_all()

    def _cost(self, arm: str) -> float:
        """The assumed cost of a request of an arm: the most that one has cost so far."""
        return self._max_cost.get(arm, max(self._max_cost.values(), default=0.0))

    def charge(self, arm: str, usage: Usage | None) -> None:
        """Add the cost of a reply.

        Raises:
            ModelActionError: there is a budget, and the reply has no token counts.
        """
        if self._budget is None:
            return
        if usage is None:
            self._blind = True
            raise ModelActionError(_NO_COUNTS)
        cost = self._budget.cost_of(usage)
        self._spent += cost
        self._max_cost[arm] = max(self._max_cost.get(arm, 0.0), cost)
