"""The results of a measurement of retrieval, in one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmad_rag.index.data import IndexData
from mmad_rag.records import NORMAL_ENTRY
from mmad_rag.retrieval_eval.calibration import Binning, Calibration, calibration
from mmad_rag.retrieval_eval.confusion import ConfusedPair, Confusion
from mmad_rag.retrieval_eval.decide import Measured
from mmad_rag.retrieval_eval.defects import DefectFigures
from mmad_rag.retrieval_eval.figures import Figures, RoutingMethod
from mmad_rag.retrieval_eval.images import FoundImages, Reason
from mmad_rag.retrieval_eval.latency import Latency
from mmad_rag.retrieval_eval.leave_out import FewerReferences, LeftOutProduct
from mmad_rag.retrieval_eval.metrics import Share, share

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Images that were left out."""

    reason: Reason
    count: int
    examples: tuple[str, ...]
    """Names of the first images, at most five."""


@dataclass(frozen=True, slots=True)
class ProductFigures:
    """The results on the images of one product, all changes together."""

    product: str
    references: int
    """Number of the product's normal reference images in the index."""
    images: int
    """Number of images before they were changed."""
    top1: Share
    """Share of changed images whose right product is the route's best candidate: the product's recall."""
    nearest_top1: Share | None
    """The same share by the nearest reference; None without references."""
    right: Share
    """Share of changed images for which the product was named alone."""
    near_tie: Share
    """Share of changed images for which the product was named together with another."""
    called_unknown: Share
    """Share of changed images for which no product was named."""


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """The results of retrieval on labelled images."""

    index: str
    """Fingerprint of the index."""
    encoder: str
    """Spec of the encoder."""
    changes: tuple[str, ...]
    """Names of the changes, in the order of the figures."""
    seed: int
    """Seed for the changes and for every random choice."""
    known: int
    """Number of measured images of products of the catalogue, before they were changed."""
    outside: int
    """Number of measured images of other products, before they were changed."""
    left_out: tuple[LeftOut, ...]
    """Images of the folder that were left out, by reason."""
    thresholds: dict[str, float | None]
    """Router -> threshold on `known` that 95 % of the known images reach, all changes pooled; None if there
    is no such value."""
    figures: tuple[Figures, ...]
    """The figures of each router per change; the last ones are over all changes."""
    calibration: tuple[Calibration, ...]
    """Calibration of the route's confidence over all images and changes, in bins of equal width and of equal
    mass."""
    products: tuple[ProductFigures, ...]
    """The results per product with images, sorted by name."""
    confusion: tuple[Confusion, ...]
    """The confusion of each router, all changes together."""
    confused: tuple[ConfusedPair, ...]
    """Every confused pair of each router, most frequent first."""
    latency: tuple[Latency, ...]
    """Latency of each step of one query."""
    leave_product_out: tuple[LeftOutProduct, ...]
    """Results per left-out product, then over all products; empty unless requested."""
    fewer_references: tuple[FewerReferences, ...]
    """Results per number of references; empty unless requested."""
    defects: tuple[DefectFigures, ...]
    """Results for the nearest defect per product, then over all products; empty if the index has no defect
    images."""


def left_out(found: FoundImages) -> tuple[LeftOut, ...]:
    """The images that were left out, in the order of the reasons."""
    return tuple(
        LeftOut(reason, len(found.left_out[reason]), tuple(found.left_out[reason][:_EXAMPLES]))
        for reason in Reason
        if reason in found.left_out
    )


def product_figures(index: IndexData, measured: Measured) -> tuple[ProductFigures, ...]:
    """One entry per product with an image that counts."""
    route = measured.pooled(RoutingMethod.ROUTE)
    nearest = measured.pooled(RoutingMethod.NEAREST) if RoutingMethod.NEAREST in measured.decisions else None
    images: dict[str, set[str]] = {}
    for reference in index.references:
        if reference.entry == NORMAL_ENTRY:
            images.setdefault(reference.product, set()).add(reference.digest)
    found = []
    for number, product in enumerate(index.products):
        mine = route.truth == number
        n = int(mine.sum())
        if n:
            decided = route.where(mine)
            found.append(
                ProductFigures(
                    product=product,
                    references=len(images.get(product, ())),
                    images=n // len(measured.routes),
                    top1=share((decided.rank == 0).sum(), n),
                    nearest_top1=None if nearest is None else share((nearest.where(mine).rank == 0).sum(), n),
                    right=share(decided.right.sum(), n),
                    near_tie=share(decided.near_tie_with.sum(), n),
                    called_unknown=share((~decided.accepted).sum(), n),
                )
            )
    return tuple(found)


def calibrations(measured: Measured) -> tuple[Calibration, ...]:
    """Calibration of the route in both kinds of bins, all changes pooled."""
    route = measured.pooled(RoutingMethod.ROUTE)
    found = (calibration(route.confidence, route.rank == 0, binning) for binning in Binning)
    return tuple(item for item in found if item is not None)


def finite_thresholds(measured: Measured) -> dict[str, float | None]:
    """The thresholds by the router's name; None if no image could be compared."""
    return {
        router.value: value if np.isfinite(value) else None for router, value in measured.thresholds.items()
    }


def figures_of(figures: Sequence[Figures], router: RoutingMethod, change: str) -> Figures:
    """The figures of a router under a change, which must exist."""
    return next(item for item in figures if (item.router, item.change) == (router, change))
