"""Compare two arms of a run on the same questions.

The measure is the nested macro average of the `fixed` rule, and its uncertainty a percentile bootstrap over
images through the whole of that average (see `bootstrap`). It speaks of these products, not of new ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.bootstrap import averages_over, drawn_images, every_image_once, strata_of
from mmad_rag.benchmark.macro import COLUMNS
from mmad_rag.benchmark.outcomes import OutcomeRow
from mmad_rag.benchmark.score import rows_of_arm
from mmad_rag.benchmark.score_table import AVERAGE
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question

REPLICATES = 2_000
"""Bootstrap draws by default."""
_TAILS = (0.025, 0.975)


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
        """In [0, 1]."""
        return self.invalid / self.questions

    @property
    def failed_rate(self) -> float:
        """In [0, 1]."""
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
    """Of the draws."""


def compare_arms(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    baseline: str,
    arm: str,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Comparison:
    """Compare an arm with a baseline, paired by question.

    Args:
        rows: Outcomes of a run, of any arms.
        questions: What was asked.
        baseline: Usually `none`.
        arm: Usually `rag`.
        replicates: Bootstrap draws, at least 1.
        seed: Of the draws: the same seed gives the same interval.

    Raises:
        DataError: an arm lacks an outcome, or the arms were asked different things.
    """
    if replicates < 1:
        raise DataError(f"{replicates} bootstrap draws give no interval; give 1 or more")
    pair = (rows_of_arm(rows, questions, baseline), rows_of_arm(rows, questions, arm))
    _same_prompts(*pair)
    right = np.array([[side[item.id].outcome is Outcome.CORRECT for side in pair] for item in questions])
    strata = strata_of(questions, right)
    observed = [average[0] for average in averages_over(strata, [every_image_once(strata)])]
    drawn = averages_over(strata, drawn_images(strata, replicates, seed))
    columns = [
        _difference(
            column, questions, right, (float(before), float(after)), drawn[1][:, place] - drawn[0][:, place]
        )
        for place, (column, before, after) in enumerate(zip(COLUMNS, *observed, strict=True))
        if not np.isnan(before)
    ]
    images = sum(len(stratum.counts) for stratum in strata)
    rates = [_rates(name, side) for name, side in zip((baseline, arm), pair, strict=True)]
    return Comparison(rates[0], rates[1], tuple(columns), images, replicates, seed)


def _difference(
    column: str,
    questions: Sequence[Question],
    right: npt.NDArray[np.bool_],
    averages: tuple[float, float],
    drawn: npt.NDArray[np.float64],
) -> Difference:
    inside = right[[column in (AVERAGE, question.subtask.value) for question in questions]]
    there = drawn[~np.isnan(drawn)]
    low, high = np.quantile(there, _TAILS).tolist() if len(there) else (None, None)
    return Difference(
        column=column,
        questions=len(inside),
        baseline=averages[0],
        arm=averages[1],
        difference=averages[1] - averages[0],
        low=low,
        high=high,
        wrong_to_right=int((~inside[:, 0] & inside[:, 1]).sum()),
        right_to_wrong=int((inside[:, 0] & ~inside[:, 1]).sum()),
    )


def _same_prompts(baseline: Mapping[str, OutcomeRow], arm: Mapping[str, OutcomeRow]) -> None:
    """Refuse a pair that was not shown the same picture and words."""
    for question, row in baseline.items():
        other = arm[question].prompt
        if row.prompt is not None and other is not None and row.prompt != other:
            raise DataError(
                f"{question} was not the same prompt in both arms (a picture has changed in between); "
                "give the `mmad-rag eval` command again"
            )


def _rates(arm: str, rows: Mapping[str, OutcomeRow]) -> ArmRates:
    outcomes = Counter(row.outcome for row in rows.values())
    return ArmRates(arm, len(rows), outcomes[Outcome.INVALID], outcomes[Outcome.FAILED])
