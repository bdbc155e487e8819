"""Average the arms of a run over the same draws, so that any sum of arms can be read off them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.bootstrap import averages_over, drawn_images, every_image_once, strata_of
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.score import rows_of_arm
from mmad_rag.benchmark.stats.jackknife import LeftOut, leave_out
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question

REPLICATES = 2_000
"""Bootstrap draws by default."""
TAILS = (0.025, 0.975)
"""Of a 95 % interval."""


@dataclass(frozen=True, slots=True)
class JointArms:
    """Several arms, averaged over the same draws of images and without the same products."""

    arms: tuple[str, ...]
    """Their names, in the order of every axis of arms."""
    rows: tuple[Mapping[str, OutcomeRow], ...]
    """Question id -> its row, per arm."""
    questions: tuple[Question, ...]
    """What was asked."""
    right: npt.NDArray[np.bool_]
    """Whether each question was answered rightly: (questions, arms)."""
    observed: npt.NDArray[np.float64]
    """The table's last row in percent, by arm and column; NaN where nothing was asked: (arms, 8)."""
    drawn: npt.NDArray[np.float64]
    """The same per draw: (replicates, arms, 8)."""
    left_out: LeftOut
    """The same without each product."""
    images: int
    """Clusters that are drawn from."""
    seed: int
    """Of the draws."""

    def contrast(self, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """How much of each arm goes into a sum, e.g. of `{"rag": 1, "none": -1}`: (arms,)."""
        return np.array([weights.get(arm, 0.0) for arm in self.arms])


def join_arms(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    arms: Sequence[str],
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> JointArms:
    """Average the arms.

    Args:
        rows: Outcomes of a run, of any arms.
        questions: What was asked.
        arms: Which arms.
        replicates: Bootstrap draws, at least 1.
        seed: Of the draws: the same seed draws the same images, whatever the arms.

    Raises:
        DataError: an arm lacks an outcome, or there are no draws.
    """
    if replicates < 1:
        raise DataError(f"{replicates} bootstrap draws give no interval; give 1 or more")
    sides = tuple(rows_of_arm(rows, questions, arm) for arm in arms)
    right = np.array([[side[item.id].outcome is Outcome.CORRECT for side in sides] for item in questions])
    strata = strata_of(questions, right)
    observed = np.stack([average[0] for average in averages_over(strata, [every_image_once(strata)])])
    drawn = np.stack(averages_over(strata, drawn_images(strata, replicates, seed)), axis=1)
    images = sum(len(stratum.counts) for stratum in strata)
    left_out = leave_out(questions, right)
    return JointArms(tuple(arms), sides, tuple(questions), right, observed, drawn, left_out, images, seed)
