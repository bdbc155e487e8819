"""Keep a run within a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmad_rag.errors import ModelActionError
from mmad_rag.records import Usage

_ROUNDING = 1e-9  # dollars


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run may cost."""

    usd: float
    """The most that all requests of the run may cost together, those of earlier goes included."""
    cost_of: Callable[[Usage], float]
    """Price of so many tokens, in the same money."""


class Purse:
    """Says whether another request can be paid for.

    A request that is under way is taken to cost as much as the dearest so far (of earlier goes: the mean), so
    that the sum stays within the budget; only the requests of a new run that start before its first reply
    has come are not foreseen.

    Args:
        budget: None allows everything.
        spent: Tokens that the run has used already.
        replies: For how many replies.
    """

    def __init__(self, budget: Budget | None, spent: Usage, replies: int = 0) -> None:
        self._budget = budget
        self._spent = budget.cost_of(spent) if budget is not None else 0.0
        self._dearest = self._spent / replies if replies else 0.0
        self._under_way = 0

    @property
    def spent(self) -> float | None:
        """What the run has cost so far; None without a budget."""
        return None if self._budget is None else self._spent

    def reserve(self) -> bool:
        """Set money aside for a request; False where there is not enough."""
        if self._budget is None:
            return True
        if self._spent + (self._under_way + 1) * self._dearest > self._budget.usd + _ROUNDING:
            return False
        self._under_way += 1
        return True

    def release(self) -> None:
        """A reserved request has ended, and was not paid for unless `pay` is told so."""
        self._under_way -= 1

    def pay(self, usage: Usage | None) -> None:
        """A reply has come.

        Raises:
            ModelActionError: it says nothing of what it cost.
        """
        if self._budget is None:
            return
        if usage is None:
            raise ModelActionError(
                "the model's replies hold no token counts, so no budget can be kept; leave --budget out, "
                "or ask an endpoint that reports usage"
            )
        cost = self._budget.cost_of(usage)
        self._spent += cost
        self._dearest = max(self._dearest, cost)
