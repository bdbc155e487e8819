"""The manifest of an index folder, which describes its contents."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import from_json

from mmad_rag.files import first_problem
from mmad_rag.records import JsonValue

FORMAT: Final = 2
"""Version of the folder's layout; format 1 had file names without hashes and a manifest without a digest."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    """A part of the manifest; unknown fields are refused, so that a later version is not read in part."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
    )


class EncoderStamp(_Section):
    """The encoder that made the vectors."""

    spec: str
    """Spec that loads the encoder, e.g. `builtin:tiny`."""
    fingerprint: Digest
    """SHA-256 (hex) over weights and preprocessing; an encoder with another fingerprint is refused."""
    dim: Annotated[int, Field(ge=1)]
    """Length of a vector."""


class Recipe(_Section):
    """How texts and images were prepared for the encoder; another recipe gives other vectors."""

    key_templates: tuple[str, ...]
    """Templates of the prompt ensemble for names and aliases."""
    texts_version: int
    """Version of splitting long texts and joining the vectors of their pieces."""
    views: tuple[str, ...]
    """Views of each reference image, sorted; each view has one vector."""
    views_version: int
    """Version of the table of views."""


class Logistic(_Section):
    """A logistic curve that gives a probability: 1 / (1 + exp(-(bias + weights . numbers)))."""

    weights: tuple[float, ...]
    """One weight for each number."""
    bias: float

    def probability(self, numbers: Sequence[float]) -> float:
        """The probability for the given numbers, in [0, 1]."""
        total = self.bias + sum(weight * number for weight, number in zip(self.weights, numbers, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, total))))


class ReferenceScale(_Section):
    """The scale of reference scores, which are cosines; it does not depend on how many products have
    references."""

    level: float = 0.5
    """Usual score of an image of another product; it stands in for products without references."""
    spread: Annotated[float, Field(gt=0)] = 0.08
    """The smallest difference that counts as one deviation."""
    convincing: float = 0.75
    """Score at which the best product with references is right with probability 0.5."""
    convincing_spread: Annotated[float, Field(gt=0)] = 0.05
    """Width of the curve around `convincing`: the probability is 0.9 at 2.2 widths above it."""


class Calibration(_Section):
    """How scores of a route become probabilities; see `mmad_rag.retrieve.routing.calibrate`."""

    method: Literal["leave-one-out", "labelled"]
    """The data it was fitted on: the index's own references, or images that a user labelled."""
    images: Annotated[Count, Field(alias="pictures")]
    """Number of images it was fitted on; the file keeps the older word `pictures` for this field."""
    known_share: Annotated[float, Field(gt=0, lt=1)]
    """Assumed share of images that show a catalogued product."""
    reference: Logistic | None
    """Probability of a catalogued product by references alone: from the nearest and the typical cosine."""
    both: Logistic | None
    """Probability by references and text: from those two cosines and the standardised text score."""
    text: Logistic | None
    """Probability by text alone: from the standardised text score and its lead over the next product's."""
    references: ReferenceScale
    """The scale of reference scores."""
    tie_scale: Annotated[float, Field(gt=0)]
    """Lead in the fused score at which the first of two products is right in 73 of 100 cases."""
    threshold: Annotated[float, Field(ge=0, le=1)]
    """Smallest probability at which an image is taken to show a product of the catalogue."""

    @model_validator(mode="after")
    def _weights_fit_the_numbers(self) -> Self:
        """Check the numbers of weights, because a wrong one would fail only at the first query."""
        for name, fitted, numbers in (
            ("reference", self.reference, 2),
            ("both", self.both, 3),
            ("text", self.text, 2),
        ):
            if fitted is not None and len(fitted.weights) != numbers:
                raise ValueError(f"{name} has {len(fitted.weights)} weight(s), not {numbers}")
        return self


class Counts(_Section):
    """Numbers of rows in the index."""

    products: Count
    passages: Count
    keys: Count
    references: Count
    """Number of rows of references: an image counts once per view."""


class FileStamp(_Section):
    """Length and hash that a file of the folder must have."""

    bytes: Count
    """Length of the file in bytes."""
    sha256: Digest
    """SHA-256 (hex) of the file's bytes; the first 12 digits are part of its name."""


class Manifest(_Section):
    """The contents of `manifest.json`, which also holds their `digest`."""

    format: Literal[2]
    """Version of the folder's layout."""
    library: str
    """Version of mmad_rag that built the index."""
    encoder: EncoderStamp
    """The encoder of keys and references."""
    text_encoder: EncoderStamp | None
    """The encoder of passages; None when passages have no vectors and are found by their words."""
    recipe: Recipe
    """How texts and images were prepared for the encoders."""
    knowledge: dict[str, Digest]
    """Product -> SHA-256 (hex) of its file when its text was read."""
    counts: Counts
    calibration: Calibration | None = None
    """The calibration of routing; if None, a retriever fits one when it opens the index."""
    approximate_above: Annotated[int, Field(ge=1)]
    """Searches are exact up to this many vectors and approximate (HNSW) above."""
    files: dict[str, FileStamp]
    """Name of every other file of the folder, without its hash -> length and hash of the file."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over all that can change a search: equal fingerprints give equal hits."""
        parts = {"format", "encoder", "text_encoder", "files", "calibration", "approximate_above"}
        return _sha256(self.model_dump(mode="json", include=parts))

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over every value, so that a change of any of them is found."""
        return _sha256(self.model_dump(mode="json", exclude_none=True))

    def to_json(self) -> bytes:
        """The bytes of the file `manifest.json`."""
        return (json.dumps({**self.model_dump(mode="json"), "digest": self.digest}, indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Parse the file `manifest.json`, in which only white space and the order of fields may differ.

        Raises:
            ValueError: the file is damaged, changed, or of another format; the message says which.
        """
        document = from_json(data)
        if not isinstance(document, dict):
            raise ValueError("it holds no JSON object")
        if document.get("format") != FORMAT:
            raise ValueError(f"it is of format {document.get('format')!r}, this version reads {FORMAT}")
        digest = document.pop("digest", None)
        try:
            manifest = cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            raise ValueError(first_problem(error)) from None
        if digest != manifest.digest:
            raise ValueError("it was changed after it was written")
        return manifest


def _sha256(value: JsonValue) -> str:
    """SHA-256 (hex) of a JSON value in its canonical form with sorted keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
