"""Compute every router's decisions on the same images under every change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index.data import IndexData
from mmad_rag.records import FloatArray, Route, RouteOutcome
from mmad_rag.retrieval_eval.decisions import NONE, Bools, Decisions, pooled
from mmad_rag.retrieval_eval.figures import ALL_CHANGES, Figures, RoutingMethod, figures
from mmad_rag.retrieval_eval.images import LabelledImage
from mmad_rag.retrieval_eval.metrics import threshold_at_recall
from mmad_rag.retrieval_eval.nearest import nearest_all
from mmad_rag.retrieval_eval.subindex import plain_references
from mmad_rag.retrieve import ClipRetriever


def route_all(
    retriever: ClipRetriever, images: Sequence[LabelledImage], vectors: FloatArray
) -> tuple[Route, ...]:
    """The route of every image, exactly as a user gets it.

    An image with the bytes of a reference is not compared with that reference, even if it has been changed.

    Args:
        retriever: The retriever of the index.
        images: The images to route.
        vectors: Vectors of the images, perhaps changed, shape (images, d).
    """
    return tuple(
        retriever.route_vector(vector, {image.digest}) for image, vector in zip(images, vectors, strict=True)
    )


def decisions_of(
    routes: Sequence[Route], images: Sequence[LabelledImage], products: Sequence[str]
) -> Decisions:
    """The decisions in the routes; products are numbered by their place in `products`."""
    number = {product: place for place, product in enumerate(products)}
    ranked = [[candidate.product for candidate in route.candidates] for route in routes]
    return Decisions(
        truth=np.array(
            [NONE if image.product is None else number.get(image.product, NONE) for image in images],
            np.int64,
        ),
        first=np.array([number[names[0]] if names else NONE for names in ranked], np.int64),
        rank=np.array(
            [
                names.index(image.product) if image.product in names else len(products)
                for image, names in zip(images, ranked, strict=True)
            ],
            np.int64,
        ),
        known=np.array([known_of(route) for route in routes], np.float64),
        confidence=np.array([route.confidence for route in routes], np.float64),
        accepted=np.array([route.outcome is not RouteOutcome.UNKNOWN for route in routes], bool),
        near_tie=np.array([route.outcome is RouteOutcome.NEAR_TIE for route in routes], bool),
        among=np.array(
            [image.product in route.products for image, route in zip(images, routes, strict=True)],
            bool,
        ),
    )


def known_of(route: Route) -> float:
    """The route's probability that the image shows a product of the catalogue at all."""
    return route.known


@dataclass(frozen=True, slots=True)
class Measured:
    """The decisions about all images."""

    products: tuple[str, ...]
    """The catalogue, in the order of the numbers in decisions."""
    images: tuple[LabelledImage, ...]
    """The images that count: outside the catalogue, or of a product with evidence other than the image
    itself."""
    routes: Mapping[str, tuple[Route, ...]]
    """Change -> one route per image, with the best two of its candidates only."""
    decisions: Mapping[RoutingMethod, Mapping[str, Decisions]]
    """Router -> change -> decisions, one entry per image; no nearest-reference router without references."""
    thresholds: Mapping[RoutingMethod, float]
    """Router -> the value of `known` that 95 % of the known images reach, all changes pooled."""

    def pooled(self, router: RoutingMethod) -> Decisions:
        """The decisions under all changes together, in the changes' order."""
        return pooled(list(self.decisions[router].values()))

    def figures(self) -> tuple[Figures, ...]:
        """The figures of each router, per change, then over all changes together."""
        found = [
            figures(router, change, self.decisions[router][change], self.thresholds[router])
            for change in self.routes
            for router in self.decisions
        ]
        if len(self.routes) > 1:
            found += [
                figures(router, ALL_CHANGES, self.pooled(router), self.thresholds[router])
                for router in self.decisions
            ]
        return tuple(found)


def measure(
    index: IndexData,
    encoder: Encoder,
    images: Sequence[LabelledImage],
    vectors: Mapping[str, FloatArray],
) -> Measured:
    """Route every image under every change, and find its nearest reference too.

    Args:
        index: The index to measure.
        encoder: The encoder that built it; its image tower is not used.
        images: The images to route; those without evidence in this index do not count.
        vectors: Change -> shape (images, d).
    """
    counts = has_evidence(index, images)
    kept = tuple(image for image, good in zip(images, counts, strict=True) if good)
    retriever = ClipRetriever(index, encoder=encoder)
    routes: dict[str, tuple[Route, ...]] = {}
    decisions: dict[RoutingMethod, dict[str, Decisions]] = {RoutingMethod.ROUTE: {}}
    for change, rows in vectors.items():
        found = route_all(retriever, kept, rows[counts])
        decisions[RoutingMethod.ROUTE][change] = decisions_of(found, kept, index.products)
        routes[change] = tuple(_brief(route) for route in found)
    thresholds = {RoutingMethod.ROUTE: _threshold(decisions[RoutingMethod.ROUTE])}
    if plain_references(index).any():
        nearest = {change: nearest_all(index, kept, rows[counts]) for change, rows in vectors.items()}
        threshold = _threshold(nearest)
        thresholds[RoutingMethod.NEAREST] = threshold
        decisions[RoutingMethod.NEAREST] = {
            change: decided.at_threshold(threshold) for change, decided in nearest.items()
        }
    return Measured(index.products, kept, routes, decisions, thresholds)


def _brief(route: Route) -> Route:
    """A copy of the route with its best two candidates only, so that hundreds of thousands fit into
    memory."""
    return replace(route, candidates=route.candidates[:2])


def has_evidence(index: IndexData, images: Sequence[LabelledImage]) -> Bools:
    """Whether the index knows an image's product by a text or by a reference other than the image.

    True for images outside the catalogue, because the index cannot have evidence for them.
    """
    by_text = {key.product for key in index.keys}
    by_reference: dict[str, set[str]] = {}
    for reference in index.references:
        by_reference.setdefault(reference.product, set()).add(reference.digest)
    return np.array(
        [
            image.product is None
            or image.product in by_text
            or bool(by_reference.get(image.product, set()) - {image.digest})
            for image in images
        ],
        bool,
    )


def _threshold(decisions: Mapping[str, Decisions]) -> float:
    """The threshold at 95 % recall of the known images, all changes pooled; infinite if there are none."""
    known = np.concatenate([found.known[found.inside] for found in decisions.values()])
    return threshold_at_recall(known) if len(known) else float("inf")
