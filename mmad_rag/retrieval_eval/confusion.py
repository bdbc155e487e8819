"""Count which product is mistaken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmad_rag.records import RouteOutcome
from mmad_rag.retrieval_eval.decisions import NONE, Decisions, Ints, pooled
from mmad_rag.retrieval_eval.figures import RoutingMethod
from mmad_rag.retrieval_eval.metrics import Share, share

OUTSIDE = RouteOutcome.UNKNOWN.value
"""Label of the last row (images of products outside the catalogue) and column (images with no named
product)."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of images by the product that they show and the product that was named."""

    router: RoutingMethod
    labels: tuple[str, ...]
    """The products that are shown or named, sorted; the last label is `not in the catalogue`."""
    counts: tuple[tuple[int, ...], ...]
    """Counts by shown product (row) and named product (column; of a near-tie the first product)."""


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one product for which another was named."""

    product: str
    """The product that the images show."""
    named: str
    """The product that was named, or `not in the catalogue`."""
    router: RoutingMethod
    images: Share
    """Share of these images among all images of the product, changed ones included."""
    changes: Mapping[str, int]
    """Change -> number of these images under the change."""


def confusion(
    router: RoutingMethod, decisions: Mapping[str, Decisions], products: Sequence[str]
) -> Confusion:
    """The confusion matrix over all changes."""
    together = pooled(list(decisions.values()))
    full = _matrix(together, len(products))
    used = np.flatnonzero(full.sum(axis=0) + full.sum(axis=1))
    kept = np.union1d(used, [len(products)])
    labels = (*products, OUTSIDE)
    counts = full[np.ix_(kept, kept)]
    return Confusion(
        router, tuple(labels[place] for place in kept), tuple(tuple(map(int, row)) for row in counts)
    )


def confused_pairs(
    router: RoutingMethod, decisions: Mapping[str, Decisions], products: Sequence[str]
) -> tuple[ConfusedPair, ...]:
    """Every pair that occurs, most frequent first; all products outside the catalogue count as one."""
    labels = (*products, OUTSIDE)
    matrices = {change: _matrix(found, len(products)) for change, found in decisions.items()}
    totals: Counter[int] = Counter()
    pairs: dict[tuple[int, int], dict[str, int]] = {}
    for change, matrix in matrices.items():
        totals.update(dict(enumerate(map(int, matrix.sum(axis=1)))))
        for row, column in zip(*np.nonzero(matrix), strict=True):
            if row != column:
                pairs.setdefault((int(row), int(column)), {})[change] = int(matrix[row, column])
    found = [
        ConfusedPair(labels[row], labels[column], router, share(sum(changes.values()), totals[row]), changes)
        for (row, column), changes in pairs.items()
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.images.count, pair.product, pair.named)))


def _matrix(decisions: Decisions, products: int) -> Ints:
    """Counts of shape (products + 1, products + 1); the last row and column are outside the catalogue."""
    rows = np.where(decisions.truth == NONE, products, decisions.truth)
    columns = np.where(decisions.accepted, decisions.first, products)
    matrix = np.zeros((products + 1, products + 1), np.int64)
    np.add.at(matrix, (rows, columns), 1)
    return matrix
