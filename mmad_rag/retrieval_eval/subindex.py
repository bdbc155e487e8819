"""An index with fewer reference images, made without embedding anything again."""

from __future__ import annotations

import numpy as np

from mmad_rag.index.build.change import remove_references
from mmad_rag.index.data import IndexData
from mmad_rag.index.views import WHOLE
from mmad_rag.records import NORMAL_ENTRY
from mmad_rag.retrieval_eval.decisions import Bools


def plain_references(index: IndexData) -> Bools:
    """Which rows of references are whole images of normal pieces, shape (references,)."""
    return np.array(
        [(reference.entry, reference.view) == (NORMAL_ENTRY, WHOLE) for reference in index.references], bool
    )


def with_references(index: IndexData, chosen: Bools) -> IndexData:
    """The index as it is once all references but the chosen were removed from it.

    Args:
        index: The whole index.
        chosen: Shape (references,); an image stays with all its views when one of its rows is chosen.
    """
    kept: dict[str, set[str]] = {}
    own: dict[str, set[str]] = {}
    for reference, stays in zip(index.references, chosen, strict=True):
        own.setdefault(reference.product, set()).add(reference.digest)
        if stays:
            kept.setdefault(reference.product, set()).add(reference.digest)
    for product, digests in own.items():
        if gone := digests - kept.get(product, set()):
            index = remove_references(index, product, gone)
    return index


def some_references(index: IndexData, per_product: int, *, seed: int) -> Bools:
    """A seeded choice of at most `per_product` normal images of each product, shape (references,).

    Every view of a chosen image is kept; images of defects are not. The choice of a smaller number is
    part of that of a larger one.
    """
    chosen = np.zeros(len(index.references), bool)
    rows: dict[str, dict[str, list[int]]] = {}
    for row, reference in enumerate(index.references):
        if reference.entry == NORMAL_ENTRY:
            rows.setdefault(reference.product, {}).setdefault(reference.digest, []).append(row)
    for number, product in enumerate(index.products):
        digests = sorted(rows.get(product, {}))
        order = np.random.default_rng((seed, number)).permutation(len(digests))
        for place in order[:per_product]:
            chosen[rows[product][digests[place]]] = True
    return chosen
