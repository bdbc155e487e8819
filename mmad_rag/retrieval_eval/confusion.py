"""Which product is taken for which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmad_rag.records import RouteOutcome
from mmad_rag.retrieval_eval.decisions import NONE, Decisions, Ints, pooled
from mmad_rag.retrieval_eval.figures import Router
from mmad_rag.retrieval_eval.metrics import Share, share

OUTSIDE = RouteOutcome.UNKNOWN.value
"""Last row: images of products outside the catalogue. Last column: images for which nothing was named."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of what was named for what."""

    router: Router
    labels: tuple[str, ...]
    """Products with an image or a mention, sorted; last, `not in the catalogue`."""
    counts: tuple[tuple[int, ...], ...]
    """Row: what the image shows; column: what was named (of a near-tie the first product)."""


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Images of one product for which another was named."""

    product: str
    """What they show."""
    named: str
    """What was named, or `not in the catalogue`."""
    router: Router
    images: Share
    """Of all images of the product, changed ones included."""
    changes: Mapping[str, int]
    """Change -> how many of them."""


def confusion(router: Router, decisions: Mapping[str, Decisions], products: Sequence[str]) -> Confusion:
    """All changes together."""
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
    router: Router, decisions: Mapping[str, Decisions], products: Sequence[str]
) -> tuple[ConfusedPair, ...]:
    """Every pair that occurs, most frequent first; what is outside the catalogue counts as one product."""
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
    """Counts of shape (products + 1, products + 1); the last of each is outside the catalogue."""
    rows = np.where(decisions.truth == NONE, products, decisions.truth)
    columns = np.where(decisions.accepted, decisions.first, products)
    matrix = np.zeros((products + 1, products + 1), np.int64)
    np.add.at(matrix, (rows, columns), 1)
    return matrix
