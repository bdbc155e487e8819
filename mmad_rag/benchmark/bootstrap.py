"""Average MMAD's table over many draws of its images.

A percentile bootstrap: all questions of an image stay together; images are drawn with replacement within each
dataset and side (normal, abnormal), as the benchmark was put together; all arms see the same draw. Efron &
Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13. A stratum of one image adds no spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.score.macro_average import SUBTASKS, Table, nested_macro, side_of
from mmad_rag.records import Question

_BLOCK = 256  # draws at a time: bounds the memory


@dataclass(frozen=True, slots=True)
class Stratum:
    """The images of one dataset and side, which are drawn from together."""

    dataset: int
    side: int
    counts: npt.NDArray[np.float64]
    """By image, subtask and measure (questions, then what is right in each arm): (images, 7, 1 + arms)."""


Weights: TypeAlias = Sequence[npt.NDArray[np.float64]]
"""How often each image is drawn: per stratum, shape (draws, images)."""


def strata_of(
    questions: Sequence[Question], right: npt.NDArray[np.bool_] | npt.NDArray[np.float64]
) -> tuple[Stratum, ...]:
    """Sort images into strata.

    Args:
        questions: What was asked.
        right: Whether each was answered rightly, or how much was gained, by arm: shape (questions, arms).
    """
    datasets = tuple(dict.fromkeys(question.dataset for question in questions))
    counts: dict[tuple[int, int], dict[str, npt.NDArray[np.float64]]] = {}
    measures = np.column_stack([np.ones(len(questions)), right])
    for question, measured in zip(questions, measures, strict=True):
        images = counts.setdefault((datasets.index(question.dataset), side_of(question.label)), {})
        image = images.setdefault(question.image_path, np.zeros((len(SUBTASKS), measures.shape[1])))
        image[SUBTASKS.index(question.subtask)] += measured
    return tuple(Stratum(*place, np.stack(list(images.values()))) for place, images in counts.items())


def every_image_once(strata: Sequence[Stratum]) -> Weights:
    """Every image once."""
    return [np.ones((1, len(stratum.counts))) for stratum in strata]


def drawn_images(strata: Sequence[Stratum], replicates: int, seed: int) -> Iterator[Weights]:
    """Images drawn with replacement within each stratum, a block of draws at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, replicates, _BLOCK):
        size = min(_BLOCK, replicates - start)
        yield [_drawn(len(stratum.counts), size, rng) for stratum in strata]


def _drawn(images: int, size: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    picks = rng.integers(images, size=(size, images)) + images * np.arange(size)[:, None]
    return np.bincount(picks.ravel(), minlength=size * images).reshape(size, images).astype(np.float64)


def averages_over(strata: Sequence[Stratum], draws: Iterable[Weights]) -> tuple[npt.NDArray[np.float64], ...]:
    """The table's last row per draw: for every arm an array of shape (draws, 8)."""
    datasets = 1 + max(stratum.dataset for stratum in strata)
    measures = strata[0].counts.shape[-1]
    tables: tuple[list[Table], ...] = tuple([] for _ in range(1, measures))
    for weights in draws:
        counts = np.zeros((len(weights[0]), datasets, len(SUBTASKS), 2, measures))
        for stratum, weight in zip(strata, weights, strict=True):
            counts[:, stratum.dataset, :, stratum.side] = np.tensordot(weight, stratum.counts, axes=1)
        for measure, table in enumerate(tables, start=1):
            table.append(nested_macro(counts[..., measure], counts[..., 0])[:, -1])
    return tuple(np.concatenate(table) for table in tables)
