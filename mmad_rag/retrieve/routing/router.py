"""Route an image to its product in the catalogue, say how sure that is, or that it shows none of it."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Protocol

import numpy as np

from mmad_rag.index.data import IndexData
from mmad_rag.index.manifest import Calibration, ReferenceScale
from mmad_rag.records import Candidate, FloatArray, Route, RouteOutcome, SecondLook
from mmad_rag.retrieve.routing.calibrate import calibrate_by_leaving_out
from mmad_rag.retrieve.routing.fuse import Fused, fuse
from mmad_rag.retrieve.routing.open_set import known_features, known_probability
from mmad_rag.retrieve.routing.scores import CatalogueScores, ProductScores

TIE_SHARE = 0.75
"""Below this probability of the first against the second product, both are offered."""
_TIE_SCALE = 0.25
_KNOWN = 0.5


class CloserLook(Protocol):
    """Compares two products that are close, and only those two."""

    def lead(self, vector: FloatArray, first: str, second: str) -> float | None:
        """How far the first lies above the second by what tells them apart: deviations over the catalogue, as
        the fused score; None when nothing does."""
        ...


class Router:
    """Routes images by their vectors in an index.

    Text: mean of the three best cosines among a product's keys. References: mean of the three best views'
    best cosines. Each kind is standardised over the products and fused with fixed weights (`fuse`).

    Whether the image shows a product of the catalogue at all is a calibrated probability
    (`known_probability`); so is whether the first product is right rather than the second. Their product is
    the confidence.

    Args:
        index: What to compare with. Without a calibration in its manifest, one is fitted on its references.
        closer: Asked about two products between which the scores cannot decide.
    """

    def __init__(self, index: IndexData, closer: CloserLook | None = None) -> None:
        self.index = index
        self._scores = CatalogueScores(index)
        self._closer = closer
        self._keyed = len({key.product for key in index.keys})
        self.calibration: Calibration | None = index.manifest.calibration or calibrate_by_leaving_out(index)
        self._scale = self.calibration.references if self.calibration else ReferenceScale()

    def route(self, vector: FloatArray, own_digests: Collection[str] = ()) -> Route:
        """Which product is it?

        Args:
            vector: The image in the index's space, shape (d,), unit length.
            own_digests: References with these bytes are the query itself, which is not evidence.
        """
        scores = self._scores.one(vector, own_digests)
        fused = fuse(scores, self._scale)
        candidates = _candidates(self._scores.products, scores, fused)
        if not candidates:
            return Route(RouteOutcome.UNKNOWN, (), (), 0.0)
        known = known_probability(known_features(scores, fused), self._keyed, self.calibration)
        share = self._share(candidates)
        look = None
        if known >= self._threshold and share < TIE_SHARE and self._closer is not None:
            look, candidates = self._second_look(vector, candidates, self._closer)
            share = self._share(candidates) if look is None else look.share
        return self._concluded(candidates, known, share, look)

    def _concluded(
        self, candidates: tuple[Candidate, ...], known: float, share: float, look: SecondLook | None
    ) -> Route:
        confidence = round(known * share, 6)
        first = candidates[0].product
        products: tuple[str, ...] = (first,)
        outcome = RouteOutcome.PRODUCT
        if known < self._threshold:
            outcome, products = RouteOutcome.UNKNOWN, ()
        elif share < TIE_SHARE:
            outcome, products = RouteOutcome.NEAR_TIE, (first, candidates[1].product)
        return Route(outcome, candidates, products, confidence, round(known, 6), look)

    @property
    def _threshold(self) -> float:
        return self.calibration.threshold if self.calibration else _KNOWN

    def _share(self, candidates: tuple[Candidate, ...]) -> float:
        """How likely the first product is against the second, in [0.5, 1]."""
        if len(candidates) == 1:
            return 1.0
        return self._likely(candidates[0].score - candidates[1].score)

    def _likely(self, lead: float) -> float:
        scale = self.calibration.tie_scale if self.calibration else _TIE_SCALE
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, lead / scale))))

    def _second_look(
        self, vector: FloatArray, candidates: tuple[Candidate, ...], closer: CloserLook
    ) -> tuple[SecondLook | None, tuple[Candidate, ...]]:
        """Add what tells the first two apart to their lead; the two change places when it turns."""
        first, second = candidates[:2]
        told = closer.lead(vector, first.product, second.product)
        if told is None:
            return None, candidates
        lead = first.score - second.score
        share = self._likely(abs(lead + told))
        look = SecondLook((first.product, second.product), round(lead, 6), round(lead + told, 6), share)
        if lead + told < 0:
            candidates = (second, first, *candidates[2:])
        return look, candidates


def route(index: IndexData, vector: FloatArray, own_digests: Collection[str] = ()) -> Route:
    """Route one image without a second look; for many images make one `Router`."""
    return Router(index).route(vector, own_digests)


def _candidates(products: tuple[str, ...], scores: ProductScores, fused: Fused) -> tuple[Candidate, ...]:
    """Every product that has something to compare with, best first, equal ones by name."""
    total = fused.total[0]
    order = np.lexsort((np.arange(len(total)), -total))
    return tuple(
        Candidate(
            products[place],
            float(total[place]),
            _number(scores.text[0, place]),
            _number(scores.nearest[0, place]),
            float(fused.text[0, place]),
            float(fused.reference[0, place]),
        )
        for place in order
        if np.isfinite(total[place])
    )


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
