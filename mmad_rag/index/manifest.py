"""What an index folder says about itself."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    """Unknown fields are refused: a manifest of a later version must not be half understood."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EncoderStamp(_Section):
    """Which encoder made the vectors."""

    spec: str
    """What loads it, e.g. `builtin:tiny`."""
    fingerprint: Digest
    """Over weights and preprocessing; another fingerprint is refused."""
    dim: Annotated[int, Field(ge=1)]
    """Length of a vector."""


class ReferenceFloor(_Section):
    """What the index's own references say about how alike two pictures of one product are.

    Cosines, measured by leaving each reference out and looking for its nearest neighbour.
    """

    same: float | None
    """5th percentile of the similarity to the nearest other reference of the same product."""
    other: float | None
    """95th percentile of the similarity to the nearest reference of another product."""


class Counts(_Section):
    """How much is in the index."""

    products: Count
    passages: Count
    keys: Count
    references: Count


class Manifest(_Section):
    """The contents of `manifest.json`."""

    format: Literal[1]
    """Version of the folder's layout."""
    library: str
    """Version of mmad_rag that built it."""
    encoder: EncoderStamp
    """Of keys and references."""
    text_encoder: EncoderStamp | None
    """Of passages; None when passages have no vectors and are found by their words."""
    knowledge: dict[str, Digest]
    """Product -> SHA-256 of its file."""
    counts: Counts
    reference_floor: ReferenceFloor
    approximate_above: Annotated[int, Field(ge=1)]
    """Searches are exact up to this many vectors and approximate (HNSW) above."""
    files: dict[str, Digest]
    """Every other file of the folder -> SHA-256."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over all that can change a search: equal fingerprints give equal hits."""
        parts = self.model_dump_json(
            include={"format", "encoder", "text_encoder", "files", "approximate_above"}
        )
        return hashlib.sha256(parts.encode()).hexdigest()
