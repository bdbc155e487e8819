"""Route a product's images with an index from which the product, or some references, have been removed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index.build.change import remove_products
from mmad_rag.index.build.embed import Progress
from mmad_rag.index.data import IndexData
from mmad_rag.records import FloatArray, RouteOutcome
from mmad_rag.retrieval_eval.decide import known_of, measure, route_all
from mmad_rag.retrieval_eval.figures import Figures, RoutingMethod
from mmad_rag.retrieval_eval.images import LabelledImage
from mmad_rag.retrieval_eval.metrics import Share, share
from mmad_rag.retrieval_eval.nearest import nearest_all
from mmad_rag.retrieval_eval.subindex import plain_references, some_references, with_references
from mmad_rag.retrieve import ClipRetriever


@dataclass(frozen=True, slots=True)
class LeftOutProduct:
    """The images of one product, or of all, routed with an index without the product."""

    product: str
    """Name of the product, or `all`."""
    unknown: Share
    """Share of its images, changed ones included, that the index's own threshold declares unknown."""
    unknown_95: Share
    """Share of its images below the threshold at 95 % recall that was computed with the whole index."""
    nearest_unknown_95: Share | None
    """The same share by the cosine of the nearest reference; None without references."""
    named: Mapping[str, int]
    """Named product -> number of images (of a near-tie the first product), most frequent first."""


def leave_products_out(
    index: IndexData,
    encoder: Encoder,
    images: Sequence[LabelledImage],
    vectors: Mapping[str, FloatArray],
    *,
    thresholds: Mapping[RoutingMethod, float],
    progress: Progress | None = None,
) -> tuple[LeftOutProduct, ...]:
    """Route the images of every product with an index without it; the last entry is over all products.

    Args:
        index: The whole index.
        encoder: The encoder that built it; its image tower is not used.
        images: Labelled images.
        vectors: Change -> shape (images, d).
        thresholds: Router -> threshold at 95 % recall with the whole index.
        progress: Called with (stage, products done, all products).
    """
    owner = np.array([image.product or "" for image in images])
    products = sorted({image.product for image in images if image.product})
    found = []
    for number, product in enumerate(products):
        mine = owner == product
        chosen = [image for image in images if image.product == product]
        found.append(
            _left_out(
                product,
                remove_products(index, [product]),
                encoder,
                chosen,
                {change: rows[mine] for change, rows in vectors.items()},
                thresholds=thresholds,
            )
        )
        if progress:
            progress("leaving products out", number + 1, len(products))
    return (*found, _together(found)) if found else ()


def _left_out(
    product: str,
    index: IndexData,
    encoder: Encoder,
    images: Sequence[LabelledImage],
    vectors: Mapping[str, FloatArray],
    *,
    thresholds: Mapping[RoutingMethod, float],
) -> LeftOutProduct:
    retriever = ClipRetriever(index, encoder=encoder)
    routes = [route for rows in vectors.values() for route in route_all(retriever, images, rows)]
    unknown = sum(route.outcome is RouteOutcome.UNKNOWN for route in routes)
    below = sum(known_of(route) < thresholds[RoutingMethod.ROUTE] for route in routes)
    named = Counter(route.products[0] for route in routes if route.products)
    nearest: Share | None = None
    if RoutingMethod.NEAREST in thresholds:
        known = np.concatenate([nearest_all(index, images, rows).known for rows in vectors.values()])
        nearest = share((known < thresholds[RoutingMethod.NEAREST]).sum(), len(known))
    return LeftOutProduct(
        product,
        share(unknown, len(routes)),
        share(below, len(routes)),
        nearest,
        dict(named.most_common()),
    )


def _together(parts: Sequence[LeftOutProduct]) -> LeftOutProduct:
    nearest = [part.nearest_unknown_95 for part in parts if part.nearest_unknown_95 is not None]
    named: Counter[str] = Counter()
    for part in parts:
        named.update(part.named)
    return LeftOutProduct(
        "all",
        _sum([part.unknown for part in parts]),
        _sum([part.unknown_95 for part in parts]),
        _sum(nearest) if nearest else None,
        dict(named.most_common()),
    )


def _sum(shares: Sequence[Share]) -> Share:
    return share(sum(item.count for item in shares), sum(item.n for item in shares))


@dataclass(frozen=True, slots=True)
class FewerReferences:
    """The figures with a limited number of references."""

    per_product: int
    """Largest number of references of each product."""
    references: int
    """Number of reference images in total."""
    figures: tuple[Figures, ...]
    """The figures per change and router, then all changes together. An image that is the last reference left
    of its product does not count, so that the number of images may differ."""


def with_fewer_references(
    index: IndexData,
    encoder: Encoder,
    images: Sequence[LabelledImage],
    vectors: Mapping[str, FloatArray],
    numbers: Sequence[int],
    *,
    seed: int,
    progress: Progress | None = None,
) -> tuple[FewerReferences, ...]:
    """Repeat everything, thresholds included, with a seeded choice of references for each number."""
    found = []
    for done, number in enumerate(numbers, start=1):
        smaller = with_references(index, some_references(index, number, seed=seed))
        measured = measure(smaller, encoder, images, vectors)
        found.append(FewerReferences(number, int(plain_references(smaller).sum()), measured.figures()))
        if progress:
            progress("fewer references", done, len(numbers))
    return tuple(found)
