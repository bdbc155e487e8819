"""The floor: the product of the nearest normal reference image, by cosine, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmad_rag.index.data import IndexData
from mmad_rag.records import FloatArray
from mmad_rag.retrieval_eval.decisions import NONE, Decisions
from mmad_rag.retrieval_eval.images import LabelledImage
from mmad_rag.retrieval_eval.subindex import plain_references


def nearest_all(index: IndexData, images: Sequence[LabelledImage], vectors: FloatArray) -> Decisions:
    """Rank the products by the cosine of their nearest reference; `known` is the best cosine.

    A reference with the image's own bytes does not count. Equal cosines keep the order of the catalogue.
    Everything is accepted until `Decisions.at_threshold` says otherwise.
    """
    best = best_cosines(index, images, vectors)
    number = {product: place for place, product in enumerate(index.products)}
    truth = np.array(
        [NONE if image.product is None else number.get(image.product, NONE) for image in images],
        np.int64,
    )
    order = np.argsort(-best, axis=1, kind="stable")
    places = np.argsort(order, axis=1, kind="stable")
    known = best.max(axis=1, initial=-np.inf).astype(np.float64)
    comparable = np.isfinite(known)
    rows = np.arange(len(images))
    found = comparable & (truth != NONE) & np.isfinite(best[rows, truth])
    return Decisions(
        truth=truth,
        first=np.where(comparable, order[:, 0], NONE),
        rank=np.where(found, places[rows, truth], len(index.products)),
        known=known,
        confidence=np.full(len(images), np.nan),
        accepted=comparable,
        near_tie=np.zeros(len(images), bool),
        among=found & (places[rows, truth] == 0),
    )


def best_cosines(index: IndexData, images: Sequence[LabelledImage], vectors: FloatArray) -> FloatArray:
    """The best cosine of each image to each product's normal references, shape (images, products).

    Whole views only. -inf where a product has no reference but the image itself.
    """
    number = {product: place for place, product in enumerate(index.products)}
    plain = np.flatnonzero(plain_references(index))
    references = [index.references[row] for row in plain]
    cosines = vectors @ index.reference_vectors[plain].T
    rows_of: dict[str, list[int]] = {}
    for row, reference in enumerate(references):
        rows_of.setdefault(reference.digest, []).append(row)
    for place, image in enumerate(images):
        cosines[place, rows_of.get(image.digest, [])] = -np.inf
    best = np.full((len(images), len(index.products)), -np.inf, np.float32)
    owner = np.array([number[reference.product] for reference in references], np.int64)
    for product in np.unique(owner):
        best[:, product] = cosines[:, owner == product].max(axis=1)
    return best
