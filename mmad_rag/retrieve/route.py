"""Route a picture to its product in the catalogue."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping

import numpy as np

from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.manifest import ReferenceFloor
from mmad_rag.records import Candidate, FloatArray, Route, RouteOutcome

TEXT_WEIGHT = 0.3
REFERENCE_WEIGHT = 0.7
"""References are the stronger key; a product that has only one kind is judged by that kind alone."""
_KEYS_POOLED = 3
_SEARCH_AT_MOST = 4096
_TIE_SCALE = 0.25
_TIE_SHARE = 0.6
_KNOWN = 0.5
_STANDS_OUT = 2.4
"""Deviations above the mean over the catalogue at which a text score alone is taken for a known product."""


def route(index: KnowledgeIndex, vector: FloatArray, own_digests: Collection[str] = ()) -> Route:
    """Compare a picture with every product's text keys and reference pictures.

    Text: mean of the three best cosines among the product's keys. References: the best cosine. Each kind is
    standardised over the products, so that the two cones of a CLIP space are never ranked in one list, then
    both are fused with fixed weights. The picture is in the catalogue when it is nearer to its product than
    the index's references of different products are to each other (`ReferenceFloor`), or, without
    references, when the first product stands out from the rest of the catalogue.

    Args:
        index: What to compare with.
        vector: The picture in the index's space, shape (d,), unit length.
        own_digests: References with these bytes are the query itself, which is no evidence.
    """
    texts = _text_scores(index, vector)
    references = _reference_scores(index, vector, own_digests)
    text_z, reference_z = _standardised(texts), _standardised(references)
    candidates = sorted(
        (
            Candidate(
                product,
                _fused(text_z.get(product), reference_z.get(product)),
                texts.get(product),
                references.get(product),
            )
            for product in index.products
            if product in texts or product in references
        ),
        key=lambda candidate: (-candidate.score, candidate.product),
    )
    if not candidates:
        return Route(RouteOutcome.UNKNOWN, (), (), 0.0)
    known = _known(candidates[0], text_z, index.manifest.reference_floor)
    share = _share(candidates)
    confidence = round(known * share, 6)
    first = candidates[0].product
    if known < _KNOWN:
        return Route(RouteOutcome.UNKNOWN, tuple(candidates), (), confidence)
    if share < _TIE_SHARE:
        return Route(RouteOutcome.NEAR_TIE, tuple(candidates), (first, candidates[1].product), confidence)
    return Route(RouteOutcome.PRODUCT, tuple(candidates), (first,), confidence)


def _text_scores(index: KnowledgeIndex, vector: FloatArray) -> dict[str, float]:
    found: dict[str, list[float]] = defaultdict(list)
    if index.keys:
        rows, scores = index.key_search.search(vector, _SEARCH_AT_MOST)
        for row, score in zip(rows, scores, strict=True):
            found[index.keys[row].product].append(float(score))
    return {product: float(np.mean(best[:_KEYS_POOLED])) for product, best in found.items()}


def _reference_scores(
    index: KnowledgeIndex, vector: FloatArray, own_digests: Collection[str]
) -> dict[str, float]:
    found: dict[str, float] = {}
    if index.references:
        rows, scores = index.reference_search.search(vector, _SEARCH_AT_MOST)
        for row, score in zip(rows, scores, strict=True):
            reference = index.references[row]
            if reference.digest not in own_digests:
                found.setdefault(reference.product, float(score))
    return found


def _standardised(scores: Mapping[str, float]) -> dict[str, float]:
    """Zero mean and unit deviation over the products; all zero when they do not differ."""
    values = np.asarray(list(scores.values()), np.float64)
    spread = float(values.std()) if len(values) else 0.0
    if spread < 1e-9:
        return dict.fromkeys(scores, 0.0)
    mean = float(values.mean())
    return {product: (score - mean) / spread for product, score in scores.items()}


def _fused(text: float | None, reference: float | None) -> float:
    if text is None or reference is None:
        return text if text is not None else reference or 0.0
    return TEXT_WEIGHT * text + REFERENCE_WEIGHT * reference


def _known(first: Candidate, text_z: Mapping[str, float], floor: ReferenceFloor) -> float:
    """How likely it is, in [0, 1], that the picture shows a product of the catalogue at all."""
    if first.reference_score is not None and (floor.same is not None or floor.other is not None):
        other = floor.other if floor.other is not None else -1.0
        same = floor.same if floor.same is not None else min(1.0, other + 0.2)
        threshold, scale = (same + other) / 2, max((same - other) / 6, 0.02)
        return _sigmoid((first.reference_score - threshold) / scale)
    count = len(text_z)
    largest_possible = (count - 1) / math.sqrt(count) if count else 0.0
    threshold = min(_STANDS_OUT, 0.6 * largest_possible)
    return _sigmoid((text_z.get(first.product, 0.0) - threshold) / 0.25)


def _share(candidates: list[Candidate]) -> float:
    """How likely the first product is against the second, in [0.5, 1]."""
    if len(candidates) == 1:
        return 1.0
    return _sigmoid((candidates[0].score - candidates[1].score) / _TIE_SCALE)


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, value))))
