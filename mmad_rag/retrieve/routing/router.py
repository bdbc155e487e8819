"""Route an image to its product in the catalogue, or to none, with a confidence."""

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
"""Both the first and the second product are returned if the first is less likely than this against the
second."""
_TIE_SCALE = 0.25
_KNOWN = 0.5


class CloserLook(Protocol):
    """Compares two products that are close, and only those two."""

    def lead(self, vector: FloatArray, first: str, second: str) -> float | None:
        """Lead of the first product over the second by the features that tell them apart.

        The lead is in deviations over the catalogue, as the fused score is; None when nothing tells the two
        apart.
        """
        ...


class Router:
    """Routes images by their vectors in an index.

    A product's text score is the mean of the three best cosines among its keys; its reference score is the
    mean of the three best views' best cosines. Each kind is standardised over the products, and both are
    fused with fixed weights (`fuse`).

    The confidence is the product of two calibrated probabilities: that the image shows a product of the
    catalogue at all (`known_probability`), and that the first product is right rather than the second.

    Args:
        index: The index that images are compared with. If its manifest has no calibration, one is fitted on
            its references.
        closer: Compares two products between which the scores cannot decide; None leaves such ties open.
    """

    def __init__(self, index: IndexData, closer: CloserLook | None = None) -> None:
        self.index = index
        self._scores = CatalogueScores(index)
        self._closer = closer
        self._keyed = len({key.product for key in index.keys})
        self.calibration: Calibration | None = index.manifest.calibration or calibrate_by_leaving_out(index)
        self._scale = self.calibration.references if self.calibration else ReferenceScale()

    def route(self, vector: FloatArray, own_digests: Collection[str] = ()) -> Route:
        """Find the product that an image shows.

        Args:
            vector: The image in the index's space, shape (d,), unit length.
            own_digests: SHA-256 (hex) of the image's bytes: references with these bytes are the query image
                itself, which is not evidence.
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
        """Probability of the first product against the second, in [0.5, 1]."""
        if len(candidates) == 1:
            return 1.0
        return self._likely(candidates[0].score - candidates[1].score)

    def _likely(self, lead: float) -> float:
        scale = self.calibration.tie_scale if self.calibration else _TIE_SCALE
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, lead / scale))))

    def _second_look(
        self, vector: FloatArray, candidates: tuple[Candidate, ...], closer: CloserLook
    ) -> tuple[SecondLook | None, tuple[Candidate, ...]]:
        """Add the lead by the closer comparison to the first two's; they swap if the sum is negative."""
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
    """Route one image without a tie-break; for many images make one `Router`."""
    return Router(index).route(vector, own_digests)


def _candidates(products: tuple[str, ...], scores: ProductScores, fused: Fused) -> tuple[Candidate, ...]:
    """Every product with a text or reference score, best first; equal scores are ordered by name."""
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
