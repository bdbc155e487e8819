"""The nested macro average of every arm with each product left out in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.score.macro_average import SUBTASKS, nested_macro, side_of
from mmad_rag.records import Question


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What the table's last row becomes without a product."""

    datasets: npt.NDArray[np.int64]
    """The dataset of each product, by number: (products,)."""
    asked: npt.NDArray[np.bool_]
    """Whether a product has questions of a column: (products, 8)."""
    averages: npt.NDArray[np.float64]
    """Percent without the product, by arm and column: (products, arms, 8)."""

    def groups(self, column: int) -> list[npt.NDArray[np.int64]]:
        """The products that have questions of a column, by dataset."""
        inside = self.asked[:, column]
        return [np.flatnonzero(inside & (self.datasets == d)) for d in np.unique(self.datasets[inside])]


def leave_out(questions: Sequence[Question], right: npt.NDArray[np.bool_]) -> LeftOut:
    """Leave out each product once; a product that two datasets share is two products.

    Args:
        questions: What was asked.
        right: Whether each was answered rightly, by arm: (questions, arms).
    """
    datasets = list(dict.fromkeys(question.dataset for question in questions))
    places = {key: row for row, key in enumerate(dict.fromkeys((q.dataset, q.product) for q in questions))}
    counts = np.zeros((len(places), len(SUBTASKS), 2, 1 + right.shape[1]))
    where = (
        np.array([places[question.dataset, question.product] for question in questions]),
        np.array([SUBTASKS.index(question.subtask) for question in questions]),
        np.array([side_of(question.label) for question in questions]),
    )
    np.add.at(counts, where, np.column_stack([np.ones(len(questions)), right]))
    dataset = np.array([datasets.index(name) for name, _ in places])
    totals = np.zeros((len(datasets), *counts.shape[1:]))
    np.add.at(totals, dataset, counts)
    without = np.repeat(totals[None], len(places), axis=0)
    without[np.arange(len(places)), dataset] -= counts
    arms = [nested_macro(without[..., arm], without[..., 0])[:, -1] for arm in range(1, counts.shape[-1])]
    asked = counts[..., 0].sum(axis=2) > 0
    everything = np.ones((len(places), 1), dtype=np.bool_)
    return LeftOut(dataset, np.concatenate([asked, everything], axis=1), np.stack(arms, axis=1))
