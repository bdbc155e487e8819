"""Which other product of an index is most easily taken for a given one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmad_rag.errors import SpecError
from mmad_rag.fields import Field
from mmad_rag.index.data import IndexData
from mmad_rag.records import NORMAL_ENTRY, FloatArray

_MARK = "unlike {}: "
"""How a passage that tells two products apart begins, in lower case."""


def nearest_product(index: IndexData, product: str) -> str:
    """The look-alike of a product; the same for the same index.

    1. Candidates are the products that its "tell apart" fields name; else those whose fields name it; else
       all others. Who wrote the files knows best what is taken for what.
    2. Of several, the one whose mean vector has the greatest cosine to the product's own: of its normal
       reference images where both have some, else of its text keys. Vectors are centred on the mean over
       products first, because all vectors of an encoder lie in one narrow cone.
    3. The first by name, where that does not decide.

    Raises:
        SpecError: there is no other product.
    """
    others = [other for other in index.products if other != product]
    if not others:
        raise SpecError(f"there is no product but {product}; a look-alike needs a second one")
    candidates = (
        [other for other in others if _names(index, product, other)]
        or [other for other in others if _names(index, other, product)]
        or others
    )
    scores = _scores(index, product)
    return min(candidates, key=lambda other: (-scores.get(other, -np.inf), other))


def _names(index: IndexData, product: str, other: str) -> bool:
    """Whether a product's file says how to tell it from the other."""
    begins = _MARK.format(other.replace("_", " "))
    passages = (index.passages[row] for row in index.rows_of_product[product])
    return any(
        passage.field is Field.TELL_APART and passage.text.lower().startswith(begins) for passage in passages
    )


def _scores(index: IndexData, product: str) -> Mapping[str, float]:
    """Other product -> cosine to `product`, by the first kind of vectors that it shares with any other."""
    normal = [
        item.product
        if item.entry == NORMAL_ENTRY
        else None  # a defect's image is not an image of the product
        for item in index.references
    ]
    keys = [key.product for key in index.keys]
    for owners, vectors in ((normal, index.reference_vectors), (keys, index.key_vectors)):
        means = _centred_means(owners, vectors)
        own = means.pop(product, None)
        if own is not None and means:
            return {other: round(float(mean @ own), 6) for other, mean in means.items()}
    return {}


def _centred_means(owners: Sequence[str | None], vectors: FloatArray) -> dict[str, FloatArray]:
    """Product -> mean of its rows less the mean over products, of unit length; zero where nothing is left."""
    products = sorted({owner for owner in owners if owner is not None})
    if not products:
        return {}
    means = np.stack([vectors[[owner == product for owner in owners]].mean(axis=0) for product in products])
    means -= means.mean(axis=0)
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
    return dict(zip(products, means, strict=True))
