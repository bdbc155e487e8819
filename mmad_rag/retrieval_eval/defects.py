"""Which defect of its product an image of a defect is nearest to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmad_rag.index.data import IndexData
from mmad_rag.index.views import WHOLE
from mmad_rag.records import NORMAL_ENTRY
from mmad_rag.retrieval_eval.metrics import Share, share


@dataclass(frozen=True, slots=True)
class DefectFigures:
    """Leave-one-out over the defect images of one product, or of all."""

    product: str
    """Its name, or `all`."""
    defects: int
    """Kinds of defect with an image."""
    right: Share
    """Of images with another one of their kind: the nearest other image shows that kind."""
    chance: float
    """Mean over those images of 1 / kinds of their product."""
    alone: int
    """Images that are the only one of their kind, which cannot be right and do not count."""


def defect_figures(index: IndexData) -> tuple[DefectFigures, ...]:
    """Leave each defect image of the index out; look for the nearest other one of its product, by cosine.

    Only whole views are compared, so that an image is never found by another view of itself.

    Returns:
        One entry per product with such images, then all together; empty when the index has none that count.
    """
    rows = [
        row
        for row, reference in enumerate(index.references)
        if reference.entry != NORMAL_ENTRY and reference.view == WHOLE
    ]
    products = np.array([index.references[row].product for row in rows])
    found = [
        _figures(index, product, [rows[place] for place in np.flatnonzero(products == product)])
        for product in sorted(set(products.tolist()))
    ]
    counted = sum(item.right.n for item in found)
    if not counted:
        return ()
    together = DefectFigures(
        "all",
        sum(item.defects for item in found),
        share(sum(item.right.count for item in found), counted),
        sum(item.chance * item.right.n for item in found) / counted,
        sum(item.alone for item in found),
    )
    return (*found, together)


def _figures(index: IndexData, product: str, rows: list[int]) -> DefectFigures:
    entries = np.array([index.references[row].entry for row in rows])
    digests = np.array([index.references[row].digest for row in rows])
    vectors = index.reference_vectors[rows]
    cosines = np.where(digests[:, None] == digests[None, :], -np.inf, vectors @ vectors.T)
    kinds, counts = np.unique(entries, return_counts=True)
    paired = np.isin(entries, kinds[counts > 1])
    nearest = entries[cosines.argmax(axis=1)]
    right = int((nearest == entries)[paired].sum())
    return DefectFigures(
        product, len(kinds), share(right, int(paired.sum())), 1 / len(kinds), int((~paired).sum())
    )
