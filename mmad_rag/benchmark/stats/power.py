"""Compute before a run which gain its questions can show.

The result is the smallest gain that a two-sided test at 5 % finds with 80 % power, for the difference of two
arms on the same questions, through the nested macro average:

    w_q   = d(average) / d(outcome of question q), from the counts of datasets, subtasks and sides
    these = s^2 * sum over images of ((1 - r) * sum of w_q^2 + r * (sum of w_q)^2)
    new   = these + t^2 * sum over datasets of 1 / (D^2 * C_d)

    gain on these products = (z(0.975) + z(0.80)) * sqrt(these)
    gain on new products   = (t(0.975) + t(0.80)) * sqrt(new), Satterthwaite's degrees of freedom

Here s^2 is the share of questions on which the arms disagree (the variance of a paired difference in {-1, 0,
1} near no gain), r is the correlation of such differences within an image, t is the standard deviation of
true gains between products, D is the number of datasets and C_d the number of products in each. s^2, r and t
are not known before a run; the values that are assumed are stated with the result. Without clusters this is
the paired formula of McNemar's test (Miettinen, Biometrics 24, 1968) at small gains.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.data.columns import AVERAGE, Columns
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.score.macro_average import side_of
from mmad_rag.errors import DataError
from mmad_rag.records import Question

DISCORDANCE = 0.20
"""Share of questions on which arms disagree: knowledge changes about one answer in five, either way."""
IMAGE_CORRELATION = 0.05
"""Correlation of differences within an image."""
PRODUCT_SPREAD = 3.0
"""Standard deviation of true gains between products, in percentage points."""
_ALPHA, _POWER = 0.05, 0.80


@dataclass(frozen=True, slots=True)
class MinimumDetectableEffect:
    """The smallest gain that a column's questions can show."""

    column: str
    """Name of the column: a subtask, or `Average`."""
    questions: int
    """Number of questions in the column."""
    these_products: float | None
    """Smallest gain on these products, in percentage points; None if even a gain on every question on which
    the arms disagree would not show."""
    new_products: float | None
    """Smallest gain on new products, in percentage points; None likewise, and if a dataset has one
    product."""


def detectable_gains(
    questions: Sequence[Question],
    *,
    columns: Columns | None = None,
    discordance: float = DISCORDANCE,
    image_correlation: float = IMAGE_CORRELATION,
    product_spread: float = PRODUCT_SPREAD,
) -> tuple[MinimumDetectableEffect, ...]:
    """The smallest detectable gain of every column that has questions, then of the average.

    Args:
        questions: The questions that would be asked.
        columns: Columns of the question set that the questions belong to; None takes those of the questions.
        discordance: Share of questions on which the arms disagree, in (0, 1].
        image_correlation: Correlation of differences within an image, in [0, 1].
        product_spread: Standard deviation of true gains between products, in percentage points, 0 or more.

    Raises:
        DataError: there are no questions, or a number is out of range.
    """
    if not 0 < discordance <= 1 or not 0 <= image_correlation <= 1 or not product_spread >= 0:
        raise DataError(
            f"a discordance of {discordance}, a correlation of {image_correlation} and a spread of "
            f"{product_spread} are not assumptions; give numbers in (0, 1], in [0, 1] and of 0 or more"
        )
    if not questions:
        raise DataError("no questions can show no gain; ask some")
    wanted = columns_of(questions) if columns is None else columns
    gains = []
    for column in wanted.with_average:
        weights = _weights(questions, column, wanted.detection)
        if not weights:
            continue
        these = _on_these(weights, discordance, image_correlation)
        small = 100 * (_normal(1 - _ALPHA / 2) + _normal(_POWER)) * math.sqrt(sum(these.values()))
        new = _on_new(weights, these, product_spread)
        possible = 100 * discordance
        gains.append(
            MinimumDetectableEffect(
                column,
                len(weights),
                small if small <= possible else None,
                new if new is not None and new <= possible else None,
            )
        )
    return tuple(gains)


def _weights(
    questions: Sequence[Question], column: str, detection: str | None
) -> list[tuple[Question, float]]:
    """Every question of a column with its weight in the column's percent, as a fraction of 1."""

    def side(item: Question) -> int:
        return side_of(item.label) if item.subtask == detection else 0

    inside = [item for item in questions if column in (AVERAGE, item.subtask)]
    cells = Counter((item.dataset, item.subtask, side(item)) for item in inside)
    sides = Counter((dataset, subtask) for dataset, subtask, _ in cells)
    subtasks = Counter(dataset for dataset, _ in sides)
    return [
        (
            item,
            1.0
            / len(subtasks)
            / subtasks[item.dataset]
            / sides[item.dataset, item.subtask]
            / cells[item.dataset, item.subtask, side(item)],
        )
        for item in inside
    ]


def _on_these(
    weights: Sequence[tuple[Question, float]], discordance: float, correlation: float
) -> dict[str, float]:
    """Dataset -> its part of the variance."""
    by_image: dict[tuple[str, str], list[float]] = defaultdict(list)
    for question, weight in weights:
        by_image[question.dataset, question.image_path].append(weight)
    found: dict[str, float] = defaultdict(float)
    for (dataset, _), mine in by_image.items():
        squares = sum(weight**2 for weight in mine)
        found[dataset] += discordance * ((1 - correlation) * squares + correlation * sum(mine) ** 2)
    return found


def _on_new(
    weights: Sequence[tuple[Question, float]], these: dict[str, float], spread: float
) -> float | None:
    products: dict[str, set[str]] = defaultdict(set)
    for question, _ in weights:
        products[question.dataset].add(question.product)
    if any(len(found) < 2 for found in products.values()):
        return None
    parts = {
        dataset: these[dataset] + (spread / 100 / len(products)) ** 2 / len(found)
        for dataset, found in products.items()
    }
    variance = sum(parts.values())
    df = variance**2 / sum(part**2 / (len(products[dataset]) - 1) for dataset, part in parts.items())
    return 100 * (_student(1 - _ALPHA / 2, df) + _student(_POWER, df)) * math.sqrt(variance)


def _normal(share: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(share)


def _student(share: float, df: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(share, df))
