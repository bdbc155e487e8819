"""The nested macro average of a table of scores, for one table or for many at once."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.data.columns import Columns
from mmad_rag.benchmark.data.mmad import NORMAL_LABEL

NORMAL, ABNORMAL = 0, 1
"""The two sides, normal and abnormal, as positions on the last axis of a count."""

Counts: TypeAlias = npt.NDArray[np.float64]
"""Numbers of questions by (..., dataset, subtask, side): shape (..., datasets, subtasks, 2)."""
Table: TypeAlias = npt.NDArray[np.float64]
"""Percent by (..., dataset or average, subtask or average): (..., datasets + 1, subtasks + 1); NaN if
undefined."""


def side_of(label: str) -> int:
    """The side, normal or abnormal, of an image with this label."""
    return NORMAL if label == NORMAL_LABEL else ABNORMAL


def nested_macro(correct: Counts, total: Counts, columns: Columns) -> Table:
    """The table from counts, as MMAD computes it.

    A cell is the accuracy over all its questions; in the detection column it is the mean of the accuracies on
    normal and on abnormal images (balanced accuracy). The last column is the mean of a dataset's cells, the
    last row the mean of a column over the datasets. Cells without questions are left out of the means.
    """
    cells = _percent(correct.sum(axis=-1), total.sum(axis=-1))
    if columns.detection is not None:
        detection = columns.places[columns.detection]
        cells[..., detection] = _mean(_percent(correct, total)[..., detection, :], axis=-1)
    rows = np.concatenate([cells, _mean(cells, axis=-1)[..., None]], axis=-1)
    return np.concatenate([rows, _mean(rows, axis=-2)[..., None, :]], axis=-2)


def _percent(part: Counts, whole: Counts) -> Counts:
    percent: Counts = np.divide(100.0 * part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return percent


def _mean(values: Counts, axis: int) -> Counts:
    """The mean of the values that are not NaN; NaN if there are none."""
    there = ~np.isnan(values)
    counts = there.sum(axis=axis).astype(np.float64)
    sums = np.where(there, values, 0.0).sum(axis=axis)
    means: Counts = np.divide(sums, counts, out=np.full(counts.shape, np.nan), where=counts > 0)
    return means
