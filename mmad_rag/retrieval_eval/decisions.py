"""What a router concluded about many images, in arrays."""

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
"""In place of a product's number: no product."""


@dataclass(frozen=True, slots=True)
class Decisions:
    """One entry per image; every array has shape (n,)."""

    truth: Ints
    """Number of the right product in the catalogue; `NONE` for an image outside it."""
    first: Ints
    """Number of the best candidate; `NONE` where there was none."""
    rank: Ints
    """How many candidates stand before the right product; the catalogue's size where it is not a candidate."""
    known: Floats
    """How sure it is that the image shows a product of the catalogue; higher is surer, -inf where nothing
    could be compared. Comparable within one router."""
    confidence: Floats
    """In [0, 1]: how sure it is of the best candidate; NaN for a router that does not say."""
    accepted: Bools
    """Whether a product was named at all."""
    near_tie: Bools
    """Whether two products were named."""
    among: Bools
    """Whether the right product is among those named."""

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def inside(self) -> Bools:
        """Images of products of the catalogue."""
        inside: Bools = self.truth != NONE
        return inside

    @property
    def right(self) -> Bools:
        """One product was named, and it is the right one."""
        return self.accepted & ~self.near_tie & self.among

    @property
    def near_tie_with(self) -> Bools:
        """Two products were named, the right one among them."""
        return self.accepted & self.near_tie & self.among

    @property
    def wrong(self) -> Bools:
        """Something was named, but not the right product."""
        return self.accepted & ~self.among

    def where(self, chosen: Bools) -> Decisions:
        """Only the chosen images."""
        return Decisions(*(getattr(self, item.name)[chosen] for item in fields(self)))

    def at_threshold(self, threshold: float) -> Decisions:
        """The same, naming its best candidate alone wherever `known` reaches the threshold."""
        accepted = self.known >= threshold
        first_is_right = (self.rank == 0) & self.inside
        return replace(
            self,
            accepted=accepted,
            near_tie=np.zeros(len(self), bool),
            among=accepted & first_is_right,
        )


def pooled(parts: Sequence[Decisions]) -> Decisions:
    """All images of several sets of decisions; at least one set."""
    return Decisions(
        *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Decisions))
    )
