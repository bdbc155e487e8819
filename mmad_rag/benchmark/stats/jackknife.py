"""Estimate a difference for new products by leaving out each product in turn.

Knowledge is given per product, so products are the units to sample, not questions. Each product is left out
in turn and the whole nested macro average, balanced accuracy inside, is computed again: a stratified
jackknife (Wolter, Introduction to Variance Estimation, 2007, chapter 4) with the datasets fixed and products
as if drawn within them. Products are not resampled, because a dataset may have five of them: draws with
replacement from five spread too little by a factor sqrt(4/5), and now and then hold no normal image. The
average is not linearised, because products have very different numbers of questions, and leaving out a large
one shows its whole weight.

    V_d = (C_d - 1) / C_d * sum over products p of d of (without p - mean over d of without)^2
    t   = difference / sqrt(sum of V_d)
    df  = (sum of V_d)^2 / sum of V_d^2 / (C_d - 1)       (Satterthwaite; C - 1 for one dataset)

C - 1 over all products would be too many where a few small datasets carry most of the variance. The wild
cluster bootstrap is computed beside it, see the module `wild_bootstrap`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.data.columns import Columns
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.score.macro_average import nested_macro, side_of
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.verdict import MARGIN, Verdict, judge
from mmad_rag.benchmark.stats.wild_bootstrap import wild_bootstrap
from mmad_rag.records import Question


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The table's last row with each product left out."""

    datasets: npt.NDArray[np.int64]
    """Number of the dataset of each product: (products,)."""
    asked: npt.NDArray[np.bool_]
    """Whether a product has questions of a column: (products, columns)."""
    averages: npt.NDArray[np.float64]
    """Percent without a product, by arm and column: (products, arms, columns)."""

    def groups(self, column: int) -> list[npt.NDArray[np.int64]]:
        """The products that have questions in a column, by dataset."""
        inside = self.asked[:, column]
        return [np.flatnonzero(inside & (self.datasets == d)) for d in np.unique(self.datasets[inside])]


def leave_out(
    questions: Sequence[Question], credit: npt.NDArray[np.float64], columns: Columns | None = None
) -> LeftOut:
    """Leave out each product once; a product in two datasets is two products.

    Args:
        questions: The questions that were asked.
        credit: How much each answer counts, in [0, 1], by arm: (questions, arms).
        columns: Columns of the table; None takes those of the questions.
    """
    wanted = columns_of(questions) if columns is None else columns
    subtasks = wanted.places
    datasets = list(dict.fromkeys(question.dataset for question in questions))
    places = {key: row for row, key in enumerate(dict.fromkeys((q.dataset, q.product) for q in questions))}
    counts = np.zeros((len(places), len(subtasks), 2, 1 + credit.shape[1]))
    where = (
        np.array([places[question.dataset, question.product] for question in questions]),
        np.array([subtasks[question.subtask] for question in questions]),
        np.array([side_of(question.label) for question in questions]),
    )
    np.add.at(counts, where, np.column_stack([np.ones(len(questions)), credit]))
    dataset = np.array([datasets.index(name) for name, _ in places])
    totals = np.zeros((len(datasets), *counts.shape[1:]))
    np.add.at(totals, dataset, counts)
    without = np.repeat(totals[None], len(places), axis=0)
    without[np.arange(len(places)), dataset] -= counts
    arms = [
        nested_macro(without[..., arm], without[..., 0], wanted)[:, -1] for arm in range(1, counts.shape[-1])
    ]
    asked = counts[..., 0].sum(axis=2) > 0
    everything = np.ones((len(places), 1), dtype=np.bool_)
    return LeftOut(dataset, np.concatenate([asked, everything], axis=1), np.stack(arms, axis=1))


_NOTHING = 1e-9  # percentage points: below this a spread is rounding error


@dataclass(frozen=True, slots=True)
class NewProducts:
    """A difference, estimated for new products of the same datasets."""

    products: int
    """Number of products that were measured."""
    standard_error: float
    """Standard error of the difference, in percentage points."""
    df: float
    """Degrees of freedom of the t distribution."""
    low: float
    """Lower end of the 95 % interval of the difference, by the t distribution."""
    high: float
    """Upper end of the same interval."""
    p_value: float
    """Two-sided p-value, by the t distribution, of the hypothesis that there is no difference."""
    adjusted_p: float
    """The p-value, adjusted by Holm over the subtasks of a comparison; elsewhere equal to `p_value`."""
    equivalence_p: float | None
    """P-value of the hypothesis that the difference is the margin or more; None if too little was asked or
    changed."""
    wild_p: float
    """Two-sided p-value of no difference, by the wild cluster bootstrap."""
    wild_low: float | None
    """Lower end of the 95 % interval, by the wild cluster bootstrap; None if there is no lower end."""
    wild_high: float | None
    """Upper end of the same interval; None if there is no upper end."""
    verdict: Verdict
    """Verdict by the t distribution, with `adjusted_p`."""

    def around(self, estimate: Estimate) -> Estimate:
        """The same value with the interval that it has on new products."""
        return Estimate(estimate.column, estimate.value, self.low, self.high)


def on_new_products(
    left_out: LeftOut,
    contrast: npt.NDArray[np.float64],
    difference: float,
    column: int,
    *,
    margin: float = MARGIN,
    guarded: bool = False,
    seed: int = 0,
) -> NewProducts | None:
    """Estimate the difference in one column for new products.

    Args:
        left_out: The averages without each product.
        contrast: Coefficient of each arm in the difference, e.g. (-1, 1).
        difference: The difference with every product.
        column: Number of the column.
        margin: Margin of equivalence, in percentage points.
        guarded: Whether so little was asked or changed that equality must not be concluded.
        seed: Seed for the wild bootstrap.

    Returns:
        The estimate; None if a dataset has only one product in this column, or no two products differ.
    """
    from scipy.special import stdtr, stdtrit

    groups = left_out.groups(column)
    if min(map(len, groups)) < 2:
        return None
    without = left_out.averages[:, :, column] @ contrast
    pulls = [(len(group) - 1) * (without[group].mean() - without[group]) for group in groups]
    variances = [float(pull.var(ddof=1)) / len(pull) for pull in pulls]
    error = math.sqrt(sum(variances))
    if error < _NOTHING:
        return None
    df = error**4 / sum(found**2 / (len(pull) - 1) for found, pull in zip(variances, pulls, strict=True))
    reach = float(stdtrit(df, 0.975)) * error
    p_value = 2 * float(stdtr(df, -abs(difference) / error))
    equivalence = None if guarded else float(stdtr(df, (abs(difference) - margin) / error))
    wild = wild_bootstrap(difference, pulls, seed=seed)
    return NewProducts(
        products=sum(map(len, groups)),
        standard_error=error,
        df=df,
        low=difference - reach,
        high=difference + reach,
        p_value=p_value,
        adjusted_p=p_value,
        equivalence_p=equivalence,
        wild_p=wild.p_value,
        wild_low=wild.low,
        wild_high=wild.high,
        verdict=judge(difference, p_value, equivalence),
    )
