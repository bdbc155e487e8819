"""What an index folder says about itself."""

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
"""Of the folder's layout. Format 1 had file names without hashes and a manifest without a digest."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]


class _Section(BaseModel):
    """Unknown fields are refused: a manifest of a later version must not be half understood."""

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
    """Which encoder made the vectors."""

    spec: str
    """What loads it, e.g. `builtin:tiny`."""
    fingerprint: Digest
    """Over weights and preprocessing; another fingerprint is refused."""
    dim: Annotated[int, Field(ge=1)]
    """Length of a vector."""


class Recipe(_Section):
    """How texts and images were made into what the encoder saw; another recipe gives other vectors."""

    key_templates: tuple[str, ...]
    """The prompt ensemble of names and aliases."""
    texts_version: int
    """Of the way in which long texts are split and the vectors of their pieces joined."""
    views: tuple[str, ...]
    """Of each reference image, sorted: one vector each."""
    views_version: int
    """Of the table of views."""


class Logistic(_Section):
    """A probability from a few numbers: 1 / (1 + exp(-(bias + weights . numbers)))."""

    weights: tuple[float, ...]
    """One for each number."""
    bias: float

    def probability(self, numbers: Sequence[float]) -> float:
        """In [0, 1]."""
        total = self.bias + sum(weight * number for weight, number in zip(self.weights, numbers, strict=True))
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, total))))


class ReferenceScale(_Section):
    """What reference scores, which are cosines, are measured by, however many products have references."""

    level: float = 0.5
    """What an image of another product usually gets: taken for products without references."""
    spread: Annotated[float, Field(gt=0)] = 0.08
    """The least difference that counts as one deviation."""
    convincing: float = 0.75
    """Where the best product with references is as likely right as not."""
    convincing_spread: Annotated[float, Field(gt=0)] = 0.05
    """How far above that it is likely right: 9 of 10 at 2.2 times this."""


class Calibration(_Section):
    """How scores of a route become probabilities; see `mmad_rag.retrieve.routing.calibrate`."""

    method: Literal["leave-one-out", "labelled"]
    """What it was fitted on: the index's own references, or images that a user labelled."""
    images: Annotated[Count, Field(alias="pictures")]
    """How many images that were; the manifest's older word is kept in the file."""
    known_share: Annotated[float, Field(gt=0, lt=1)]
    """The share of images of catalogued products that is reckoned with."""
    reference: Logistic | None
    """In the catalogue, by references alone: from the nearest and the typical cosine."""
    both: Logistic | None
    """In the catalogue, by references and text: from those two and the standardised text score."""
    text: Logistic | None
    """In the catalogue, by text alone: from the standardised text score and its lead over the next."""
    references: ReferenceScale
    """What reference scores are measured by."""
    tie_scale: Annotated[float, Field(gt=0)]
    """The lead in the fused score at which the first of two products is right in 73 of 100 cases."""
    threshold: Annotated[float, Field(ge=0, le=1)]
    """An image is taken for one of the catalogue from this probability on."""

    @model_validator(mode="after")
    def _weights_fit_the_numbers(self) -> Self:
        """Other counts would end the first query with an error."""
        for name, fitted, numbers in (
            ("reference", self.reference, 2),
            ("both", self.both, 3),
            ("text", self.text, 2),
        ):
            if fitted is not None and len(fitted.weights) != numbers:
                raise ValueError(f"{name} has {len(fitted.weights)} weight(s), not {numbers}")
        return self


class Counts(_Section):
    """How much is in the index."""

    products: Count
    passages: Count
    keys: Count
    references: Count
    """Rows: an image counts once per view."""


class FileStamp(_Section):
    """What a file of the folder must be."""

    bytes: Count
    """Its length."""
    sha256: Digest
    """Of its bytes; the first 12 digits stand in its name."""


class Manifest(_Section):
    """The contents of `manifest.json`, which has `digest` beside them."""

    format: Literal[2]
    """Version of the folder's layout."""
    library: str
    """Version of mmad_rag that built it."""
    encoder: EncoderStamp
    """Of keys and references."""
    text_encoder: EncoderStamp | None
    """Of passages; None when passages have no vectors and are found by their words."""
    recipe: Recipe
    """What the encoders were shown."""
    knowledge: dict[str, Digest]
    """Product -> SHA-256 of its file when its text was read."""
    counts: Counts
    calibration: Calibration | None = None
    """None when a retriever has to fit one when it opens the index."""
    approximate_above: Annotated[int, Field(ge=1)]
    """Searches are exact up to this many vectors and approximate (HNSW) above."""
    files: dict[str, FileStamp]
    """Every other file of the folder, by its name without the hash."""

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
        """The file `manifest.json`."""
        return (json.dumps({**self.model_dump(mode="json"), "digest": self.digest}, indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Read the file `manifest.json`; white space and the order of fields are free, nothing else.

        Raises:
            ValueError: damaged, changed, or of another format; the message says which.
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
    """Of the one way to write a JSON value with sorted keys."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
