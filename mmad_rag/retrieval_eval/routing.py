"""Let an index's retriever route pictures whose vectors are known already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmad_rag.records import FloatArray, Route, RouteOutcome
from mmad_rag.retrieval_eval.decisions import NONE, Decisions
from mmad_rag.retrieval_eval.images import LabelledPicture
from mmad_rag.retrieve import ClipRetriever


def route_all(
    retriever: ClipRetriever, pictures: Sequence[LabelledPicture], vectors: FloatArray
) -> tuple[Route, ...]:
    """The route of every picture, exactly as a user gets it.

    A picture whose bytes are a reference is not compared with that reference, also when it has been changed.

    Args:
        retriever: Of the index.
        pictures: What to route.
        vectors: Of the pictures, perhaps changed, shape (pictures, d).
    """
    return tuple(
        retriever.route_vector(vector, {picture.digest})
        for picture, vector in zip(pictures, vectors, strict=True)
    )


def decisions_of(
    routes: Sequence[Route], pictures: Sequence[LabelledPicture], products: Sequence[str]
) -> Decisions:
    """Routes as arrays; products are numbered by their place in `products`."""
    number = {product: place for place, product in enumerate(products)}
    ranked = [[candidate.product for candidate in route.candidates] for route in routes]
    return Decisions(
        truth=np.array(
            [NONE if picture.product is None else number.get(picture.product, NONE) for picture in pictures],
            np.int64,
        ),
        first=np.array([number[names[0]] if names else NONE for names in ranked], np.int64),
        rank=np.array(
            [
                names.index(picture.product) if picture.product in names else len(products)
                for picture, names in zip(pictures, ranked, strict=True)
            ],
            np.int64,
        ),
        known=np.array([known_of(route) for route in routes], np.float64),
        confidence=np.array([route.confidence for route in routes], np.float64),
        accepted=np.array([route.outcome is not RouteOutcome.UNKNOWN for route in routes], bool),
        near_tie=np.array([route.outcome is RouteOutcome.NEAR_TIE for route in routes], bool),
        among=np.array(
            [picture.product in route.products for picture, route in zip(pictures, routes, strict=True)],
            bool,
        ),
    )


def known_of(route: Route) -> float:
    """How sure the route is that the picture shows a product of the catalogue at all."""
    return route.known
