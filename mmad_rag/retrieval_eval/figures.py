"""The figures of one router under one change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from mmad_rag.retrieval_eval.calibration import Binning, calibration
from mmad_rag.retrieval_eval.decisions import Decisions
from mmad_rag.retrieval_eval.metrics import Share, auroc, share

ALL_CHANGES = "all"
"""In place of a change's name: all changes together."""


class Router(StrEnum):
    """Who says which product an image shows."""

    ROUTE = "route"
    """The retriever of the index."""
    NEAREST = "nearest"
    """The nearest reference image: the floor."""


@dataclass(frozen=True, slots=True)
class Figures:
    """How a router did on the same images under one change.

    `known` images show a product of the catalogue, `outside` images do not. Intervals take images as
    independent; where changes are pooled one image counts once per change, so that they are too narrow.
    """

    router: Router
    change: str
    """Name of the change, or `all`."""
    known: int
    """Images of products of the catalogue."""
    outside: int
    """Images of something else."""
    top1: Share
    """Of known images: the right product is the best candidate, whatever was concluded from that."""
    top3: Share
    """Of known images: it is one of the best three."""
    right: Share
    """Of known images: it was named, alone."""
    near_tie: Share
    """Of known images: it was named together with another."""
    wrong: Share
    """Of known images: only others were named."""
    called_unknown: Share
    """Of known images: nothing was named."""
    auroc: float | None
    """How well `known` tells known images from those outside; None without the latter."""
    recall_95: Share
    """Of known images: reach the threshold that 95 % of all known images, all changes pooled, reach."""
    false_accepts_95: Share
    """Of images outside: reach that same threshold."""
    false_accepts: Share
    """Of images outside: something was named, by the router's own threshold. The nearest reference has none
    of its own and is given that at 95 % recall."""
    ece: float | None
    """Expected calibration error over all images in 15 bins of equal width; None where no confidence is
    stated."""
    ece_mass: float | None
    """The same in 15 bins of equal mass."""
    ece_known: float | None
    """The same as `ece`, over known images only."""


def figures(router: Router, change: str, decisions: Decisions, threshold_95: float) -> Figures:
    """Count; `threshold_95` is a value of `Decisions.known`."""
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
