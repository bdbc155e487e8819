"""Put a 95 % interval around the score of each arm of a run.

The draws are those that the differences are taken from, see `resample`: over images, on these products. Two
arms whose intervals overlap may still differ for certain, because they answer the same questions; that is
what `compare` is for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.resample import PairedReplicates, interval_of


@dataclass(frozen=True, slots=True)
class ArmScore:
    """The score of one arm."""

    arm: str
    """Its name."""
    columns: tuple[Estimate, ...]
    """Percent right on these products, mean over datasets: subtasks that have questions, then `Average`.

    Without an interval where no draw held a question of the column."""


def arm_scores(pairs: PairedReplicates) -> tuple[ArmScore, ...]:
    """The score of every arm with its interval, in the order of the arms."""
    return tuple(ArmScore(arm, _columns(pairs, side)) for side, arm in enumerate(pairs.arms))


def _columns(pairs: PairedReplicates, side: int) -> tuple[Estimate, ...]:
    columns, names = [], pairs.columns.with_average
    for place in np.flatnonzero(~np.isnan(pairs.observed[side])).tolist():
        interval = interval_of(pairs.drawn[:, side, place])
        columns.append(Estimate(names[place], float(pairs.observed[side, place]), *interval))
    return tuple(columns)
