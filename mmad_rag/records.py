"""The frozen values that travel from room to room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.fields import Field

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""float32; vectors are rows, shape (n, d), each of unit L2 length unless a docstring says otherwise."""


class MediaType(StrEnum):
    """The image formats that are forwarded to models byte for byte."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image that has been opened once and found good; make one with `mmad_rag.images.open_image`."""

    data: bytes = field(repr=False)
    """The encoded bytes, as they are sent to a model."""
    media_type: MediaType
    """What `data` really is (read from the bytes, never from a file name)."""
    width: int
    """Pixels, at least 1, after EXIF rotation."""
    height: int
    """Pixels, at least 1, after EXIF rotation."""
    digest: str
    """SHA-256 (hex) of the bytes as they were handed in: the image's identity."""
    name: str
    """Where it came from, for messages only; nothing is ever decided from it."""


NORMAL_ENTRY = "normal"
"""The id of the entry that holds a product's normal state."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrievable piece of an entry: one or a few sentences about one field."""

    id: str
    """`product/entry/field/n`, unique in an index, stable while the text stays in place."""
    product: str
    """MMAD's category name, e.g. `metal_nut`."""
    entry: str
    """`normal`, or the id of a defect."""
    field: Field
    """The part of the entry that the text was taken from."""
    title: str
    """What a reader calls the entry, e.g. `Normal state` or `Bent tooth`."""
    text: str
    """Plain sentences, never empty."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with its score."""

    passage: Passage
    """What was found."""
    score: float
    """Higher is better; comparable within one retrieval only."""


class RouteOutcome(StrEnum):
    """What routing concluded about an image."""

    PRODUCT = "product"
    NEAR_TIE = "near-tie"
    UNKNOWN = "not in the catalogue"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One product's standing in a route."""

    product: str
    """MMAD's category name."""
    score: float
    """The fused score; higher is better, comparable within one route only."""
    text_score: float | None
    """Cosine of the image to the product's text keys, in [-1, 1]; None without a text tower."""
    reference_score: float | None
    """Cosine of the image to the nearest reference of the product, in [-1, 1]; None without references."""
    text_part: float = 0.0
    """What text adds to `score`: deviations above the mean over the catalogue, times the weight of text."""
    reference_part: float = 0.0
    """What references add to it, likewise."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What came of comparing two products that were close by what tells them apart."""

    pair: tuple[str, str]
    """The two, in the order before."""
    lead_before: float
    """How far the first was ahead, in the fused score."""
    lead_after: float
    """The same with what tells them apart; below 0 the second is ahead now."""
    share: float
    """How likely the one that is ahead now is right, given that it is one of the two, in [0.5, 1]."""


@dataclass(frozen=True, slots=True)
class Route:
    """image -> product, with confidence, or "not in the catalogue"."""

    outcome: RouteOutcome
    """Whether one product, two, or none is meant."""
    candidates: tuple[Candidate, ...]
    """Every product considered, best first; empty when the product was given and not looked for."""
    products: tuple[str, ...]
    """The products whose knowledge is used: one, two (near-tie), or none."""
    confidence: float
    """In [0, 1]: how likely the first product is right; in a near-tie or of an unknown image it is low."""
    known: float = 0.0
    """In [0, 1]: how likely the image shows a product of the catalogue at all."""
    second_look: SecondLook | None = None
    """None when the scores decided without one."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What was looked up for one prompt."""

    route: Route
    """How the product was found."""
    hits: tuple[Hit, ...]
    """The passages to show, in the order they are shown; empty when nothing is known."""
    source: str
    """The fingerprint of the index or retriever that it came from."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a multiple-choice question."""

    letter: str
    """A to E."""
    text: str
    """The option as the model is shown it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is shown to a model, still structured; a provider renders it (see `mmad_rag.prompt`)."""

    question: str
    """The question's words."""
    image: EncodedImage | None
    """The query image; None for a text-only question."""
    choices: tuple[Choice, ...] = ()
    """The options, in the order they are shown; empty for an open question."""
    references: tuple[EncodedImage, ...] = ()
    """Images of normal examples shown beside the query."""
    knowledge: Knowledge | None = None
    """What was looked up; None when no knowledge is given."""
    wording: str = "default"
    """The name of the instruction and layout, one of `mmad_rag.prompt.WORDINGS`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a reply cost, as the provider counted it."""

    prompt_tokens: int
    """Tokens of everything that was shown."""
    completion_tokens: int
    """Tokens of the reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered."""

    text: str
    """The reply, untouched; may be empty."""
    model: str
    """The model's own name for itself, as the provider reports it."""
    usage: Usage | None = None
    """Token counts where the provider gives them."""
    latency_s: float = 0.0
    """Seconds from request to reply, retries included."""
    knowledge: Knowledge | None = None
    """What was looked up on the way, when a `RagWrapper` was asked."""
    first_token: Mapping[str, float] | None = None
    """Likeliest tokens at the reply's first position -> probability in [0, 1]; None where none were given."""


@dataclass(frozen=True, slots=True)
class Question:
    """One multiple-choice question of a benchmark."""

    id: str
    """`<image path>#<position in the record's conversation>`, unique in a benchmark."""
    image_path: str
    """Relative to the data folder, with forward slashes, exactly as in mmad.json."""
    text: str
    """The question's words."""
    choices: tuple[Choice, ...]
    """2 to 5 options in the file's order."""
    answer: str
    """The letter of the right choice."""
    type: str
    """The raw type, as in the question file; MMAD has nine."""
    subtask: str
    """The name of the column that the type is reported in; MMAD has seven."""
    dataset: str
    """First component of the path, e.g. `DS-MVTec`."""
    product: str
    """Second component of the path, e.g. `bottle`. Never shown to a retriever outside the oracle arms."""
    label: str
    """The label component of the path: `good` or a kind of defect."""


class Outcome(StrEnum):
    """What became of one question in one arm."""

    CORRECT = "correct"
    WRONG = "wrong"
    INVALID = "invalid"
    """A reply came, but no choice could be read from it."""
    FAILED = "failed"
    """No reply came."""


JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""What may stand in a manifest, a run header or an outcome row."""

Json: TypeAlias = dict[str, Any]
"""A JSON object just read from a file, before it is checked and turned into a record."""
