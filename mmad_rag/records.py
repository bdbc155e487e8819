"""The frozen records that the parts of the library exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

from mmad_rag.fields import Field

FloatArray: TypeAlias = "npt.NDArray[np.float32]"
"""Array of float32; vectors are rows, shape (n, d), of unit L2 length unless a docstring says otherwise."""


class MediaType(StrEnum):
    """The image formats that are forwarded to models byte for byte."""

    PNG = "image/png"
    JPEG = "image/jpeg"
    WEBP = "image/webp"
    GIF = "image/gif"


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image that has been opened once and checked; make one with `mmad_rag.images.open_image`."""

    data: bytes = field(repr=False)
    """The encoded bytes, as they are sent to a model."""
    media_type: MediaType
    """The media type of `data`, read from the bytes, never from a file name."""
    width: int
    """Width in pixels, at least 1, after EXIF rotation."""
    height: int
    """Height in pixels, at least 1, after EXIF rotation."""
    digest: str
    """SHA-256 (hex) of the original bytes: the image's identity."""
    name: str
    """The origin of the image, for messages only; nothing is ever decided from it."""


NORMAL_ENTRY = "normal"
"""The id of the entry that holds a product's normal state."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A retrievable piece of an entry: one or a few sentences about one field."""

    id: str
    """The id `product/entry/field/n`, unique in an index, stable while the text stays in place."""
    product: str
    """MMAD's category name, e.g. `metal_nut`."""
    entry: str
    """Id of the entry: `normal`, or the id of a defect."""
    field: Field
    """The part of the entry that the text was taken from."""
    title: str
    """Title of the entry for readers, e.g. `Normal state` or `Bent tooth`."""
    text: str
    """Plain sentences, never empty."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage with its score."""

    passage: Passage
    """The passage that was found."""
    score: float
    """The score; higher is better, comparable within one retrieval only."""


class RouteOutcome(StrEnum):
    """The conclusion of routing about an image."""

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
    """Part of `score` from text: standard deviations above the mean over the catalogue, times the weight of
    text."""
    reference_part: float = 0.0
    """Part of `score` from references, computed likewise."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """The result of comparing two close candidates by the knowledge that tells them apart."""

    pair: tuple[str, str]
    """The two products, in the order before the comparison."""
    lead_before: float
    """Lead of the first product in the fused score."""
    lead_after: float
    """Lead of the first product after the comparison; below 0 the second product is ahead."""
    share: float
    """Probability, in [0.5, 1], that the product now ahead is right, given that one of the two is."""


@dataclass(frozen=True, slots=True)
class Route:
    """The product in an image with a confidence, or "not in the catalogue"."""

    outcome: RouteOutcome
    """Whether routing concluded one product, two, or none."""
    candidates: tuple[Candidate, ...]
    """Every candidate product, best first; empty if the product was given and not looked for."""
    products: tuple[str, ...]
    """The products whose knowledge is used: one, two (near-tie), or none."""
    confidence: float
    """Probability, in [0, 1], that the first product is right; low in a near-tie or for an unknown image."""
    known: float = 0.0
    """Probability, in [0, 1], that the image shows a product of the catalogue at all."""
    second_look: SecondLook | None = None
    """The comparison of the two best candidates; None if the scores decided without one."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """The knowledge that was looked up for one prompt."""

    route: Route
    """The route to the product."""
    hits: tuple[Hit, ...]
    """The passages to show, in the order they are shown; empty if nothing is known."""
    source: str
    """The fingerprint of the index or retriever that gave the knowledge."""


CHOICE_LETTERS = tuple("ABCDEFGH")
"""The letters of options; MMAD's own questions use A to E."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One option of a multiple-choice question."""

    letter: str
    """The letter, one of `CHOICE_LETTERS`."""
    text: str
    """The option as the model is shown it."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The content that a model is shown, still structured; a provider renders it (see `mmad_rag.prompt`)."""

    question: str
    """The question's words."""
    image: EncodedImage | None
    """The query image; None for a text-only question."""
    choices: tuple[Choice, ...] = ()
    """The options, in the order they are shown; empty for an open question."""
    references: tuple[EncodedImage, ...] = ()
    """Images of normal examples shown beside the query."""
    knowledge: Knowledge | None = None
    """The knowledge that was looked up; None if no knowledge is given."""
    wording: str = "default"
    """The name of the instruction and layout, one of `mmad_rag.prompt.WORDINGS`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of a request and its reply, as the provider counted them."""

    prompt_tokens: int
    """Number of tokens of everything that was shown."""
    completion_tokens: int
    """Number of tokens of the reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's reply."""

    text: str
    """The reply, untouched; may be empty."""
    model: str
    """The model's name as the provider reports it."""
    usage: Usage | None = None
    """Token counts if the provider gives them."""
    latency_s: float = 0.0
    """Seconds from request to reply, retries included."""
    knowledge: Knowledge | None = None
    """The knowledge that was looked up, if a `RagWrapper` was asked."""
    first_token: Mapping[str, float] | None = None
    """Likeliest tokens at the reply's first position -> probability in [0, 1]; None if the provider gave
    none."""
    finish: str | None = None
    """Why the reply ended, in the provider's words (`finish_reason`), e.g. `stop` or `length`; None if the
    provider does not say."""
    odds: Mapping[str, float] | None = None
    """Letter -> probability that the model replies with it, of a model that draws among options that tie;
    None for every other model."""


@dataclass(frozen=True, slots=True)
class Question:
    """One multiple-choice question of a benchmark."""

    id: str
    """The id `<image path>#<position in the record's conversation>`, unique in a benchmark."""
    image_path: str
    """Path of the image relative to the data folder, with forward slashes, exactly as in mmad.json."""
    text: str
    """The question's words."""
    choices: tuple[Choice, ...]
    """The 2 to 5 options in the file's order."""
    answer: str
    """The letter of the right choice."""
    type: str
    """The raw type as in the question file; MMAD has nine."""
    subtask: str
    """The name of the column in which the type is reported; MMAD has seven."""
    dataset: str
    """The dataset that the image counts to, e.g. `DS-MVTec`: the first component of the path, but that
    `MVTec-AD` counts as `DS-MVTec`."""
    product: str
    """Second component of the path, e.g. `bottle`; it is never shown to a retriever outside the oracle
    arms."""
    label: str
    """The label component of the path: `good` or a kind of defect."""


class Outcome(StrEnum):
    """The outcome of one question in one arm."""

    CORRECT = "correct"
    WRONG = "wrong"
    INVALID = "invalid"
    """A reply came, but no choice could be read from it."""
    FAILED = "failed"
    """No reply came."""


JsonValue: TypeAlias = "bool | int | float | str | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
"""A value of a manifest, a run header or an outcome row."""

Json: TypeAlias = dict[str, Any]
"""A JSON object just read from a file, before it is checked and turned into a record."""
