"""Put a 95 % interval around the score of each arm of a run.

The draws are those that the differences are taken from, see `joint`: over images, on these products. Two arms
whose intervals overlap may still differ for certain, because they answer the same questions; that is what
`compare` is for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmad_rag.benchmark.stats.resample import TAILS, JointArms


@dataclass(frozen=True, slots=True)
class LevelColumn:
    """What an arm gets right in one column: the mean over datasets, in percent."""

    column: str
    """A subtask, or `Average`."""
    percent: float
    """In [0, 100]."""
    low: float | None
    """Lower end of the 95 % interval on these products; None when no draw held a question of the column."""
    high: float | None
    """Upper end."""


@dataclass(frozen=True, slots=True)
class ArmLevel:
    """The score of one arm."""

    arm: str
    """Its name."""
    columns: tuple[LevelColumn, ...]
    """Subtasks that have questions, in order, then `Average`."""


def arm_levels(joint: JointArms) -> tuple[ArmLevel, ...]:
    """The score of every arm with its interval, in the order of the arms."""
    return tuple(ArmLevel(arm, _columns(joint, side)) for side, arm in enumerate(joint.arms))


def _columns(joint: JointArms, side: int) -> tuple[LevelColumn, ...]:
    columns, names = [], joint.columns.with_average
    for place in np.flatnonzero(~np.isnan(joint.observed[side])).tolist():
        drawn = joint.drawn[:, side, place]
        there = drawn[~np.isnan(drawn)]
        low, high = np.quantile(there, TAILS).tolist() if len(there) else (None, None)
        columns.append(LevelColumn(names[place], float(joint.observed[side, place]), low, high))
    return tuple(columns)
