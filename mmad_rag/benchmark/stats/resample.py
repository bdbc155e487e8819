"""Average the arms of a run over the same bootstrap draws, so that any sum of arms can be computed.

This is a percentile bootstrap: all questions of an image stay together; images are drawn with replacement
within each dataset and side (normal, abnormal), as the benchmark was put together; all arms see the same
draw. Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13. A stratum of one image
adds no spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.data.columns import Columns
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.macro_average import Table, nested_macro, side_of
from mmad_rag.benchmark.score.score import rows_of_arm
from mmad_rag.benchmark.stats.jackknife import LeftOut, leave_out
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question

_BLOCK = 256  # draws at a time: bounds the memory


@dataclass(frozen=True, slots=True)
class Stratum:
    """The images of one dataset and one side, which are resampled together."""

    dataset: int
    side: int
    counts: npt.NDArray[np.float64]
    """Counts by image, subtask and measure (questions, then correct answers of each arm): (images, subtasks,
    1 + arms)."""
    columns: Columns
    """The subtasks, in order; the same in every stratum of a question set."""


Weights: TypeAlias = Sequence[npt.NDArray[np.float64]]
"""How often each image is drawn: one array of shape (draws, images) per stratum."""


def strata_of(
    questions: Sequence[Question],
    credit: npt.NDArray[np.float64],
    columns: Columns | None = None,
) -> tuple[Stratum, ...]:
    """Sort images into strata.

    Args:
        questions: The questions that were asked.
        credit: How much each answer counts or gains, by arm: shape (questions, arms).
        columns: Of the table; None takes those of the questions.
    """
    wanted = columns_of(questions) if columns is None else columns
    places = wanted.places
    datasets = tuple(dict.fromkeys(question.dataset for question in questions))
    counts: dict[tuple[int, int], dict[str, npt.NDArray[np.float64]]] = {}
    measures = np.column_stack([np.ones(len(questions)), credit])
    for question, measured in zip(questions, measures, strict=True):
        images = counts.setdefault((datasets.index(question.dataset), side_of(question.label)), {})
        image = images.setdefault(question.image_path, np.zeros((len(places), measures.shape[1])))
        image[places[question.subtask]] += measured
    return tuple(Stratum(*place, np.stack(list(images.values())), wanted) for place, images in counts.items())


def every_image_once(strata: Sequence[Stratum]) -> Weights:
    """Weights that take every image once."""
    return [np.ones((1, len(stratum.counts))) for stratum in strata]


def drawn_images(strata: Sequence[Stratum], replicates: int, seed: int) -> Iterator[Weights]:
    """Weights of images drawn with replacement within each stratum, a block of draws at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, replicates, _BLOCK):
        size = min(_BLOCK, replicates - start)
        yield [_drawn(len(stratum.counts), size, rng) for stratum in strata]


def _drawn(images: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    picks = rng.integers(images, size=(size, images)) + images * np.arange(size)[:, None]
    return np.bincount(picks.ravel(), minlength=size * images).reshape(size, images).astype(np.float64)


def averages_over(strata: Sequence[Stratum], draws: Iterable[Weights]) -> tuple[npt.NDArray[np.float64], ...]:
    """The table's last row per draw: for every arm an array of shape (draws, columns)."""
    datasets = 1 + max(stratum.dataset for stratum in strata)
    _, subtasks, measures = strata[0].counts.shape
    tables: tuple[list[Table], ...] = tuple([] for _ in range(1, measures))
    for weights in draws:
        counts = np.zeros((len(weights[0]), datasets, subtasks, 2, measures))
        for stratum, weight in zip(strata, weights, strict=True):
            counts[:, stratum.dataset, :, stratum.side] = np.tensordot(weight, stratum.counts, axes=1)
        for measure, table in enumerate(tables, start=1):
            table.append(nested_macro(counts[..., measure], counts[..., 0], strata[0].columns)[:, -1])
    return tuple(np.concatenate(table) for table in tables)


REPLICATES = 2_000
"""Default number of bootstrap draws."""
TAILS = (0.025, 0.975)
"""Quantiles at the ends of a 95 % interval."""


def interval_of(drawn: npt.NDArray[np.float64]) -> tuple[float | None, float | None]:
    """Ends of the 95 % interval of draws of shape (draws,); None if no draw held a question."""
    there = drawn[~np.isnan(drawn)]
    low, high = np.quantile(there, TAILS).tolist() if len(there) else (None, None)
    return low, high


@dataclass(frozen=True, slots=True)
class PairedReplicates:
    """Several arms, averaged over the same draws of images and over the same left-out products."""

    arms: tuple[str, ...]
    """Names of the arms, in the order of every axis of arms."""
    rows: tuple[Mapping[str, OutcomeRow], ...]
    """Question id -> its row, one mapping per arm."""
    questions: tuple[Question, ...]
    """The questions that were asked."""
    columns: Columns
    """Columns of the table, in the order of every axis of columns; `Average` follows on those axes."""
    right: npt.NDArray[np.bool_]
    """Whether each question was answered correctly: (questions, arms)."""
    observed: npt.NDArray[np.float64]
    """The table's last row in percent, by arm and column; NaN if nothing was asked: (arms, columns)."""
    drawn: npt.NDArray[np.float64]
    """The table's last row per draw: (replicates, arms, columns)."""
    left_out: LeftOut
    """The table's last row with each product left out."""
    images: int
    """Number of images, which are the clusters of the bootstrap."""
    seed: int
    """Seed for the bootstrap draws."""

    def contrast(self, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
        """Coefficient of each arm in a weighted sum, e.g. of `{"rag": 1, "none": -1}`: (arms,)."""
        return np.array([weights.get(arm, 0.0) for arm in self.arms])


def join_arms(
    rows: Sequence[OutcomeRow],
    questions: Sequence[Question],
    arms: Sequence[str],
    *,
    columns: Columns | None = None,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> PairedReplicates:
    """Average the arms over the same draws and the same left-out products.

    Args:
        rows: Outcomes of any arms of a run.
        questions: What was asked.
        arms: Names of the arms.
        columns: Columns of the question set that the questions belong to; None takes those of the questions.
        replicates: Number of bootstrap draws, at least 1.
        seed: Seed for the bootstrap draws: the same seed draws the same images, whatever the arms.

    Raises:
        DataError: an arm lacks an outcome, or there are no draws.
    """
    if replicates < 1:
        raise DataError(f"{replicates} bootstrap draws give no interval; give 1 or more")
    sides = tuple(rows_of_arm(rows, questions, arm) for arm in arms)
    right = np.array([[side[item.id].outcome is Outcome.CORRECT for side in sides] for item in questions])
    credit = np.array([[side[item.id].credit for side in sides] for item in questions])
    wanted = columns_of(questions) if columns is None else columns
    strata = strata_of(questions, credit, wanted)
    observed = np.stack([average[0] for average in averages_over(strata, [every_image_once(strata)])])
    drawn = np.stack(averages_over(strata, drawn_images(strata, replicates, seed)), axis=1)
    images = sum(len(stratum.counts) for stratum in strata)
    left_out = leave_out(questions, credit, wanted)
    return PairedReplicates(
        tuple(arms), sides, tuple(questions), wanted, right, observed, drawn, left_out, images, seed
    )
