"""Compare two arms of a run on the same questions.

The measure is the nested macro average of the `fixed` rule. Two questions are asked of it, and their answers
are kept apart. What did the arm change *on these products*: a percentile bootstrap over images through the
whole of the average (see `resample`). What would it change *on new products*: a jackknife over products (see
`jackknife`). The first interval says nothing about the second.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.jackknife import NewProducts, on_new_products
from mmad_rag.benchmark.stats.resample import REPLICATES, PairedReplicates, interval_of, join_arms
from mmad_rag.benchmark.stats.small_sample import SMALL_CELL, SmallCell, small_cell, too_few
from mmad_rag.benchmark.stats.verdict import MARGIN, Verdict, holm, judge
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question


@dataclass(frozen=True, slots=True)
class Difference:
    """What an arm changes in one column: the mean over datasets, in percentage points."""

    column: str
    """A subtask, or `Average`."""
    questions: int
    """How many are in the column."""
    baseline: float
    """Percent of the baseline."""
    arm: float
    """Percent of the arm."""
    difference: float
    """`arm` - `baseline`."""
    low: float | None
    """Lower end of the 95 % interval of the difference; None when no draw held a question of the column."""
    high: float | None
    """Upper end."""
    wrong_to_right: int
    """Questions that only the arm answers rightly."""
    right_to_wrong: int
    """Questions that only the baseline answers rightly."""
    p_value: float | None
    """Two-sided, on these products: of the draws; in a small column that of the flips where it is larger."""
    adjusted_p: float | None
    """The same, adjusted by Holm over the subtasks; for `Average` as it is."""
    equivalence_p: float | None
    """P-value of the hypothesis that the difference is at least the margin; None for too few data."""
    verdict: Verdict
    """Verdict on these products."""
    small: SmallCell | None
    """Exact statistics of a column with few questions."""
    new_products: NewProducts | None
    """The difference on new products; None where the products measured cannot tell."""

    @property
    def estimate(self) -> Estimate:
        """The difference in percentage points, with its interval on these products."""
        return Estimate(self.column, self.difference, self.low, self.high)

    @property
    def estimate_elsewhere(self) -> Estimate | None:
        """The difference with its interval on new products; None where the products measured cannot tell."""
        return None if self.new_products is None else self.new_products.around(self.estimate)


@dataclass(frozen=True, slots=True)
class ArmRates:
    """How often an arm gave no usable answer."""

    arm: str
    """Its name."""
    questions: int
    """How many were asked."""
    invalid: int
    """Replies in which no choice could be read."""
    failed: int
    """Questions without a reply."""

    @property
    def invalid_rate(self) -> float:
        """Share of questions whose reply could not be read, in [0, 1]."""
        return self.invalid / self.questions

    @property
    def failed_rate(self) -> float:
        """Share of questions without a reply, in [0, 1]."""
        return self.failed / self.questions


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against a baseline."""

    baseline: ArmRates
    """The arm that is compared with."""
    arm: ArmRates
    """The arm that is compared."""
    columns: tuple[Difference, ...]
    """Subtasks that have questions, in order, then `Average`."""
    images: int
    """Clusters that the bootstrap draws from."""
    replicates: int
    """Draws."""
    seed: int
    """Seed for the bootstrap draws."""
    margin: float
    """Percentage points that do not matter."""


def compare_arms(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    baseline: str,
    arm: str,
    *,
    replicates: int = REPLICATES,
    margin: float = MARGIN,
    seed: int = 0,
) -> Comparison:
    """Compare an arm with a baseline, paired by question.

    Args:
        rows: Outcomes of a run, of any arms.
        questions: What was asked.
        baseline: Usually `none`.
        arm: Usually `rag`.
        replicates: Bootstrap draws, at least 1.
        margin: Percentage points that do not matter, 0 or more.
        seed: Of the draws: the same seed gives the same interval.

    Raises:
        DataError: an arm lacks an outcome, the arms were asked different things, or a number is out of range.
    """
    joint = join_arms(rows, questions, (baseline, arm), replicates=replicates, seed=seed)
    return compare_joint(joint, baseline, arm, margin=margin)


def compare_joint(joint: PairedReplicates, baseline: str, arm: str, *, margin: float = MARGIN) -> Comparison:
    """Compare two of several arms that were averaged together; see `compare_arms`.

    Raises:
        DataError: the arms were asked different things, or the margin is below 0.
    """
    if not margin >= 0:
        raise DataError(f"a margin of {margin} points is not a margin; give 0 or more")
    pair = (joint.arms.index(baseline), joint.arms.index(arm))
    _same_prompts(joint.rows[pair[0]], joint.rows[pair[1]])
    columns = [
        _difference(joint, pair, place, margin)
        for place in range(len(joint.columns.with_average))
        if not np.isnan(joint.observed[pair[0], place])
    ]
    rates = [_rates(joint.arms[side], joint.rows[side]) for side in pair]
    judged = _adjusted(columns)
    return Comparison(rates[0], rates[1], judged, joint.images, len(joint.drawn), joint.seed, margin)


def compare_all(joint: PairedReplicates, baseline: str, *, margin: float = MARGIN) -> tuple[Comparison, ...]:
    """Every other arm compared with a baseline, in the order of the arms; empty if that is not there."""
    others = [arm for arm in joint.arms if arm != baseline] if baseline in joint.arms else []
    return tuple(compare_joint(joint, baseline, arm, margin=margin) for arm in others)


def _difference(joint: PairedReplicates, pair: tuple[int, int], place: int, margin: float) -> Difference:
    column = joint.columns.with_average[place]
    inside = [column in (AVERAGE, question.subtask) for question in joint.questions]
    before, after = joint.right[np.ix_(inside, pair)].T
    gained, lost = int((~before & after).sum()), int((before & ~after).sum())
    baseline, arm = (float(joint.observed[side, place]) for side in pair)
    drawn = joint.drawn[:, pair[1], place] - joint.drawn[:, pair[0], place]
    there = drawn[~np.isnan(drawn)]
    low, high = interval_of(drawn)
    small = None
    if len(before) < SMALL_CELL:
        small = small_cell(len(before), int(before.sum()), int(after.sum()), gained, lost)
    p_value = _p_value(there, small)
    guarded = too_few(len(before), gained + lost, margin)
    equivalence = (
        None if guarded or not len(there) else max(_share(there >= margin), _share(there <= -margin))
    )
    contrast = joint.contrast({joint.arms[pair[0]]: -1.0, joint.arms[pair[1]]: 1.0})
    elsewhere = on_new_products(
        joint.left_out, contrast, arm - baseline, place, margin=margin, guarded=guarded, seed=joint.seed
    )
    return Difference(
        column=column,
        questions=len(before),
        baseline=baseline,
        arm=arm,
        difference=arm - baseline,
        low=low,
        high=high,
        wrong_to_right=gained,
        right_to_wrong=lost,
        p_value=p_value,
        adjusted_p=p_value,
        equivalence_p=equivalence,
        verdict=judge(arm - baseline, p_value, equivalence),
        small=small,
        new_products=elsewhere,
    )


def _p_value(drawn: npt.NDArray[np.float64], small: SmallCell | None) -> float | None:
    """Twice the smaller share of draws on either side of zero, as the percentile interval has it."""
    if not len(drawn):
        return None
    by_draws = min(1.0, 2 * min(_share(drawn <= 0), _share(drawn >= 0)))
    return by_draws if small is None else max(by_draws, small.mcnemar_p)


def _share(found: npt.NDArray[np.bool_]) -> float:
    """A share of draws, the observed data counted as one: never 0."""
    return float(1 + found.sum()) / (1 + len(found))


def _adjusted(columns: Sequence[Difference]) -> tuple[Difference, ...]:
    """The columns with p-values adjusted over the subtasks; the average is the headline, not one of them."""
    subtasks = [item for item in columns if item.column != AVERAGE]
    here = holm([item.p_value for item in subtasks])
    new = holm([item.new_products.p_value if item.new_products else None for item in subtasks])
    judged = [
        dataclasses.replace(
            item,
            adjusted_p=p_value,
            verdict=judge(item.difference, p_value, item.equivalence_p),
            new_products=_readjusted(item, elsewhere),
        )
        for item, p_value, elsewhere in zip(subtasks, here, new, strict=True)
    ]
    return (*judged, *(item for item in columns if item.column == AVERAGE))


def _readjusted(item: Difference, p_value: float | None) -> NewProducts | None:
    found = item.new_products
    if found is None or p_value is None:
        return None
    verdict = judge(item.difference, p_value, found.equivalence_p)
    return dataclasses.replace(found, adjusted_p=p_value, verdict=verdict)


def _same_prompts(baseline: Mapping[str, OutcomeRow], arm: Mapping[str, OutcomeRow]) -> None:
    """Refuse a pair that was not shown the same image and words."""
    for question, row in baseline.items():
        other = arm[question].prompt
        if row.prompt is not None and other is not None and row.prompt != other:
            raise DataError(
                f"{question} was not the same prompt in both arms (an image has changed in between); "
                "give the `mmad-rag eval` command again"
            )


def _rates(arm: str, rows: Mapping[str, OutcomeRow]) -> ArmRates:
    outcomes = Counter(row.outcome for row in rows.values())
    return ArmRates(arm, len(rows), outcomes[Outcome.INVALID], outcomes[Outcome.FAILED])
