"""How much of a knowledge base's worth is specific to the product.

A reader can gain from the mere words that such texts share with the options. What is left after subtracting
its score with another product's text, at the same budget, is what the right text says of the right product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.score import rows_of_arm
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.resample import (
    REPLICATES,
    averages_over,
    drawn_images,
    every_image_once,
    interval_of,
    strata_of,
)
from mmad_rag.records import Question


@dataclass(frozen=True, slots=True)
class ArmPair:
    """One base's arms."""

    true: str
    """The arm that is given the true product's text."""
    wrong: str
    """The arm that is given another product's."""


@dataclass(frozen=True, slots=True)
class ProductSpecificGain:
    """What two bases say of the right product in one column: the mean over datasets, in percentage points."""

    column: str
    """A subtask, or `Average`."""
    baseline: float
    """True less wrong product, of the base compared with."""
    base: float
    """True less wrong product, of the base that is compared."""
    difference: float
    """`base` - `baseline`."""
    low: float | None
    """Lower end of the 95 % interval of the difference, clustered by image."""
    high: float | None
    """Upper end."""

    @property
    def estimate(self) -> Estimate:
        """The difference in percentage points, with its interval."""
        return Estimate(self.column, self.difference, self.low, self.high)


def product_specific_gains(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    baseline: ArmPair,
    base: ArmPair,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[ProductSpecificGain, ...]:
    """Compare the specific worth of two bases, paired by question, with a bootstrap over images.

    Args:
        rows: Outcomes of a run, of any arms.
        questions: What was asked.
        baseline: The arms of the base compared with.
        base: The arms of the base that is compared.
        replicates: Bootstrap draws, at least 1.
        seed: Of the draws.

    Returns:
        One value per column that has questions, then `Average`.

    Raises:
        DataError: an arm lacks an outcome.
    """
    marks = {
        arm: rows_of_arm(rows, questions, arm) for pair in (baseline, base) for arm in (pair.true, pair.wrong)
    }
    gains = np.array(
        [
            [
                marks[pair.true][item.id].credit - marks[pair.wrong][item.id].credit
                for pair in (baseline, base)
            ]
            for item in questions
        ]
    )
    strata = strata_of(questions, gains)
    observed = [average[0] for average in averages_over(strata, [every_image_once(strata)])]
    drawn = averages_over(strata, drawn_images(strata, replicates, seed))
    spread = drawn[1] - drawn[0]
    values = []
    for place, column in enumerate(strata[0].columns.with_average):
        before, after = float(observed[0][place]), float(observed[1][place])
        if not np.isnan(before):
            interval = interval_of(spread[:, place])
            values.append(ProductSpecificGain(column, before, after, after - before, *interval))
    return tuple(values)
