"""Compute the figures of one router under one change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mmad_rag.retrieval_eval.calibration import Binning, calibration
from mmad_rag.retrieval_eval.decisions import Decisions
from mmad_rag.retrieval_eval.metrics import Share, auroc, share

ALL_CHANGES = "all"
"""The name that stands for all changes together."""


class RoutingMethod(StrEnum):
    """The methods that name the product in an image."""

    ROUTE = "route"
    """The retriever of the index."""
    NEAREST = "nearest"
    """The nearest reference image, as the lower bound."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The results of a router on the same images under one change.

    `known` images show a product of the catalogue, `outside` images do not. Intervals assume independent
    images; if changes are pooled, an image counts once per change, so that they are too narrow.
    """

    router: RoutingMethod
    change: str
    """Name of the change, or `all`."""
    known: int
    """Number of images of products of the catalogue."""
    outside: int
    """Number of images of other products."""
    top1: Share
    """Share of known images whose right product is the best candidate, whatever was concluded from that."""
    top3: Share
    """Share of known images whose right product is among the best three candidates."""
    right: Share
    """Share of known images whose right product was named alone."""
    near_tie: Share
    """Share of known images whose right product was named together with another."""
    wrong: Share
    """Share of known images for which only other products were named."""
    called_unknown: Share
    """Share of known images for which no product was named."""
    auroc: float | None
    """Area under the ROC curve of `known` for known against outside images; None without outside images."""
    recall_95: Share
    """Share of known images that reach the threshold that 95 % of all known images, all changes pooled,
    reach."""
    false_accepts_95: Share
    """Share of outside images that reach the same threshold."""
    false_accepts: Share
    """Share of outside images for which a product was named, by the router's own threshold. The
    nearest-reference router has no threshold of its own and uses the one at 95 % recall."""
    ece: float | None
    """Expected calibration error over all images in 15 bins of equal width; None if the router states no
    confidence."""
    ece_mass: float | None
    """Expected calibration error over all images in 15 bins of equal mass."""
    ece_known: float | None
    """Expected calibration error over known images only, in 15 bins of equal width."""


def figures(router: RoutingMethod, change: str, decisions: Decisions, threshold_95: float) -> Figures:
    """Compute the figures from decisions; `threshold_95` is a value of `Decisions.known`."""
    inside = decisions.where(decisions.inside)
    outside = decisions.where(~decisions.inside)
    n, m = len(inside), len(outside)
    return Figures(
        router=router,
        change=change,
        known=n,
        outside=m,
        top1=share((inside.rank == 0).sum(), n),
        top3=share((inside.rank < 3).sum(), n),
        right=share(inside.right.sum(), n),
        near_tie=share(inside.near_tie_with.sum(), n),
        wrong=share(inside.wrong.sum(), n),
        called_unknown=share((~inside.accepted).sum(), n),
        auroc=auroc(inside.known, outside.known),
        recall_95=share((inside.known >= threshold_95).sum(), n),
        false_accepts_95=share((outside.known >= threshold_95).sum(), m),
        false_accepts=share(outside.accepted.sum(), m),
        ece=_ece(decisions, Binning.EQUAL_WIDTH),
        ece_mass=_ece(decisions, Binning.EQUAL_MASS),
        ece_known=_ece(inside, Binning.EQUAL_WIDTH),
    )


def _ece(decisions: Decisions, binning: Binning) -> float | None:
    if np.isnan(decisions.confidence).any():
        return None
    found = calibration(decisions.confidence, decisions.rank == 0, binning)
    return None if found is None else found.error
