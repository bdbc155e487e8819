"""A router's decisions about many images, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

NONE = -1
"""The number that stands for no product."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions, one entry per image; every array has shape (n,)."""

    truth: Ints
    """Number of the right product in the catalogue; `NONE` for an image outside the catalogue."""
    first: Ints
    """Number of the best candidate; `NONE` if there was none."""
    rank: Ints
    """Number of candidates before the right product; the catalogue's size if it is not a candidate."""
    known: Floats
    """Score that the image shows a product of the catalogue; higher is surer, -inf if nothing could be
    compared. It is comparable within one router."""
    confidence: Floats
    """Confidence in the best candidate, in [0, 1]; NaN for a router without confidences."""
    accepted: Bools
    """Whether a product was named at all."""
    near_tie: Bools
    """Whether two products were named."""
    among: Bools
    """Whether the right product is among the named ones."""

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def inside(self) -> Bools:
        """Whether an image shows a product of the catalogue."""
        inside: Bools = self.truth != NONE
        return inside

    @property
    def right(self) -> Bools:
        """Whether one product was named and it is right."""
        return self.accepted & ~self.near_tie & self.among

    @property
    def near_tie_with(self) -> Bools:
        """Whether two products were named, one of them right."""
        return self.accepted & self.near_tie & self.among

    @property
    def wrong(self) -> Bools:
        """Whether a product was named, but not the right one."""
        return self.accepted & ~self.among

    def where(self, chosen: Bools) -> Decisions:
        """The decisions about the chosen images."""
        return Decisions(*(getattr(self, item.name)[chosen] for item in fields(self)))

    def at_threshold(self, threshold: float) -> Decisions:
        """The same decisions, naming the best candidate alone wherever `known` reaches the threshold."""
        accepted = self.known >= threshold
        first_is_right = (self.rank == 0) & self.inside
        return replace(
            self,
            accepted=accepted,
            near_tie=np.zeros(len(self), bool),
            among=accepted & first_is_right,
        )


def pooled(parts: Sequence[Decisions]) -> Decisions:
    """The decisions about all images of several sets; at least one set."""
    return Decisions(
        *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Decisions))
    )
