"""Take the gain of knowledge apart, by the arms of a run.

    knowledge effect      oracle - none                      the right text, whatever routing does
    retrieval loss        oracle - rag                       what routing and its errors cost
    length effect         filler - none                      what as much neutral text changes
    text alone            blind - blind-none                 what the text gives away without the image
    gain beyond text      (rag - none) - (blind - blind-none)

Each stands there when its arms were run. Intervals come from draws in which all arms see the same images, and
without the same products, so that what the arms share cancels out. See `break_even` for routing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.jackknife import NewProducts, on_new_products
from mmad_rag.benchmark.stats.resample import REPLICATES, TAILS, PairedReplicates, interval_of, join_arms
from mmad_rag.benchmark.stats.verdict import MARGIN
from mmad_rag.records import Question

BREAK_EVEN_ARMS = ("none", "oracle", "wrong")
"""The arms that `break_even` needs."""


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The routing accuracy at which knowledge starts to pay in one column, on these products."""

    column: str
    """A subtask, or `Average`."""
    percent: float | None
    """Routing accuracy at which knowledge pays, in percent. Below 0 even the wrong text helps; above 100 even
    the right one does not; None where `oracle` is not above `wrong`, so that routing does not matter."""
    low: float | None
    """Lower end of the 95 % interval, from joint draws of images; None: without end."""
    high: float | None
    """Upper end; None: without end."""


def break_even(joint: PairedReplicates) -> tuple[BreakEven, ...]:
    """The break-even point of every column with questions; empty where one of `BREAK_EVEN_ARMS` is absent.

    With the right product's text an answer is right as often as in the arm `oracle`, with another's as often
    as in `wrong`. Routing that is right with probability p then breaks even with no knowledge at

        oracle * p + wrong * (1 - p) = none,   p = (none - wrong) / (oracle - wrong)

    A ratio has no interval of its own where its denominator may be zero (Fieller, JRSS B 16, 1954). Draws in
    which `oracle` is not above `wrong` allow for any p, and are put into both tails.
    """
    if not set(BREAK_EVEN_ARMS) <= set(joint.arms):
        return ()
    none, oracle, wrong = (joint.arms.index(arm) for arm in BREAK_EVEN_ARMS)

    def solved(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Per column; infinite where any share would do, NaN where nothing was asked."""
        gained = table[..., oracle, :] - table[..., wrong, :]
        wanted = table[..., none, :] - table[..., wrong, :]
        shares = np.full(gained.shape, np.inf)
        np.divide(100 * wanted, gained, out=shares, where=gained > 0)
        return np.where(np.isnan(gained), np.nan, shares)

    found, drawn = solved(joint.observed), solved(joint.drawn)
    names = joint.columns.with_average
    return tuple(
        BreakEven(names[place], _finite(found[place]), *_interval(drawn[:, place]))
        for place in np.flatnonzero(~np.isnan(found)).tolist()
    )


def _interval(drawn: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    there = drawn[~np.isnan(drawn)]
    if not len(there):
        return None, None
    low, high = TAILS
    # order statistics, outwards: between a number and an infinite one there is nothing to interpolate
    ends = (
        np.quantile(np.where(np.isinf(there), -np.inf, there), low, method="lower"),
        np.quantile(there, high, method="higher"),
    )
    return _finite(ends[0]), _finite(ends[1])


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


EFFECTS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "knowledge effect": {"oracle": 1, "none": -1},
        "retrieval loss": {"oracle": 1, "rag": -1},
        "length effect": {"filler": 1, "none": -1},
        "text alone": {"blind": 1, "blind-none": -1},
        "gain beyond text": {"rag": 1, "none": -1, "blind": -1, "blind-none": 1},
    }
)
"""Name -> how much of each arm goes into it."""


@dataclass(frozen=True, slots=True)
class EffectColumn(Estimate):
    """One effect in one column: points on these products, mean over datasets, clustered by image."""

    new_products: NewProducts | None
    """The effect on new products; None where the products measured cannot tell."""

    @property
    def estimate_elsewhere(self) -> Estimate | None:
        """The effect with its interval on new products; None where the products measured cannot tell."""
        return None if self.new_products is None else self.new_products.around(self)


@dataclass(frozen=True, slots=True)
class Effect:
    """One part of the gain."""

    name: str
    """One of `EFFECTS`."""
    formula: str
    """Formula over the names of arms, e.g. `oracle - none`."""
    columns: tuple[EffectColumn, ...]
    """Subtasks that have questions, in order, then `Average`."""


@dataclass(frozen=True, slots=True)
class Decomposition:
    """The parts of the gain that the arms of a run can tell."""

    effects: tuple[Effect, ...]
    """Effects in the order of `EFFECTS`."""
    break_even: tuple[BreakEven, ...]
    """One per column that has questions; empty without the arms `oracle`, `wrong` and `none`."""
    images: int
    """Clusters that the bootstrap draws from."""
    replicates: int
    """Draws."""
    seed: int
    """Seed for the bootstrap draws."""


def decompose(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    arms: Sequence[str],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Decomposition:
    """Take the gain apart.

    Args:
        rows: Outcomes of a run, of any arms.
        questions: What was asked.
        arms: The arms that were run; those of no effect are passed over.
        replicates: Bootstrap draws, at least 1.
        seed: Of the draws.

    Raises:
        DataError: an arm lacks an outcome, or there are no draws.
    """
    return decompose_joint(join_arms(rows, questions, arms, replicates=replicates, seed=seed))


def decompose_joint(joint: PairedReplicates) -> Decomposition:
    """Take arms apart that were averaged together; see `decompose`."""
    effects = tuple(
        Effect(name, formula_of(weights), _columns(joint, weights))
        for name, weights in EFFECTS.items()
        if set(weights) <= set(joint.arms)
    )
    return Decomposition(effects, break_even(joint), joint.images, len(joint.drawn), joint.seed)


def formula_of(weights: Mapping[str, float]) -> str:
    """A sum of arms in words: `{"oracle": 1, "none": -1}` is `oracle - none`."""
    (first, _), *others = weights.items()
    return " ".join([first, *(f"{'+' if weight > 0 else '-'} {arm}" for arm, weight in others)])


def _columns(joint: PairedReplicates, weights: Mapping[str, float]) -> tuple[EffectColumn, ...]:
    contrast = joint.contrast(weights)
    observed = contrast @ joint.observed
    drawn = np.einsum("a,dac->dc", contrast, joint.drawn)
    columns, names = [], joint.columns.with_average
    for place in np.flatnonzero(~np.isnan(observed)).tolist():
        value = float(observed[place])
        elsewhere = on_new_products(
            joint.left_out, contrast, value, place, margin=MARGIN, guarded=True, seed=joint.seed
        )
        columns.append(EffectColumn(names[place], value, *interval_of(drawn[:, place]), elsewhere))
    return tuple(columns)
