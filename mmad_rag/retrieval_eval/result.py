"""All that a measurement of retrieval found, in one record."""

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
from mmad_rag.retrieval_eval.figures import Figures, Router
from mmad_rag.retrieval_eval.images import FoundImages, Reason
from mmad_rag.retrieval_eval.latency import Latency
from mmad_rag.retrieval_eval.leave_out import FewerReferences, LeftOutProduct
from mmad_rag.retrieval_eval.metrics import Share, share

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Images that were not measured on."""

    reason: Reason
    count: int
    examples: tuple[str, ...]
    """The first names, at most five."""


@dataclass(frozen=True, slots=True)
class ProductFigures:
    """How the images of one product fared, all changes together."""

    product: str
    references: int
    """Its normal reference images in the index."""
    images: int
    """Before they were changed."""
    top1: Share
    """Of changed images: the route's best candidate is right. This is the product's recall."""
    nearest_top1: Share | None
    """The same by the nearest reference; None without references."""
    right: Share
    """It was named, alone."""
    near_tie: Share
    """It was named together with another."""
    called_unknown: Share
    """Nothing was named."""


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """What routing is worth on labelled images."""

    index: str
    """Fingerprint of the index."""
    encoder: str
    """Its spec."""
    changes: tuple[str, ...]
    """Names of the changes, in the order of the figures."""
    seed: int
    """Of the changes and of every choice."""
    known: int
    """Images of products of the catalogue that were measured on, before they were changed."""
    outside: int
    """Images of other things."""
    left_out: tuple[LeftOut, ...]
    """What the folder holds besides."""
    thresholds: dict[str, float | None]
    """Router -> how known an image must be so that 95 % of the known ones are, all changes pooled; None
    where there is no such value."""
    figures: tuple[Figures, ...]
    """Per change each router; last, all changes together."""
    calibration: tuple[Calibration, ...]
    """Of the route's confidence over all images and changes: at equal width and at equal mass."""
    products: tuple[ProductFigures, ...]
    """Sorted by name; only products with images."""
    confusion: tuple[Confusion, ...]
    """Per router, all changes together."""
    confused: tuple[ConfusedPair, ...]
    """Every pair that was confused, per router, most frequent first."""
    latency: tuple[Latency, ...]
    """Per step of one query."""
    leave_product_out: tuple[LeftOutProduct, ...]
    """Per product, then all together; empty unless it was asked for."""
    fewer_references: tuple[FewerReferences, ...]
    """Per number of references; empty unless it was asked for."""
    defects: tuple[DefectFigures, ...]
    """Which defect, per product, then all together; empty when the index has no images of defects."""


def left_out(found: FoundImages) -> tuple[LeftOut, ...]:
    """What was left out, in the order of the reasons."""
    return tuple(
        LeftOut(reason, len(found.left_out[reason]), tuple(found.left_out[reason][:_EXAMPLES]))
        for reason in Reason
        if reason in found.left_out
    )


def product_figures(index: IndexData, measured: Measured) -> tuple[ProductFigures, ...]:
    """One entry per product with an image that counts."""
    route = measured.pooled(Router.ROUTE)
    nearest = measured.pooled(Router.NEAREST) if Router.NEAREST in measured.decisions else None
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
    """Of the route, all changes pooled, in both kinds of bins."""
    route = measured.pooled(Router.ROUTE)
    found = (calibration(route.confidence, route.rank == 0, binning) for binning in Binning)
    return tuple(item for item in found if item is not None)


def finite_thresholds(measured: Measured) -> dict[str, float | None]:
    """The thresholds by the name of the router; None where no image could be compared."""
    return {
        router.value: value if np.isfinite(value) else None for router, value in measured.thresholds.items()
    }


def figures_of(figures: Sequence[Figures], router: Router, change: str) -> Figures:
    """The one entry of a router under a change, which must be there."""
    return next(item for item in figures if (item.router, item.change) == (router, change))
