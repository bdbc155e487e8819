"""Everything beside its name that a model can be told."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from mmad_rag.errors import InputError
from mmad_rag.images.encode import FORMATS
from mmad_rag.records import MediaType

MAX_LOGPROBS = 20
"""As many alternatives as OpenAI's interface gives at a position."""

_IMAGE = "image/"
_SECRET = re.compile(
    r'"([^"]*(?:api_?key|authorization|password|secret|access_?token|auth_?token)[^"]*)":', re.IGNORECASE
)
_OWN_FIELDS = frozenset({"model", "messages", "stream", "n", "tools", "tool_choice"})
"""Fields of a request that the question decides, or that would change what comes back."""


_LENGTH = frozenset({"temperature", "max_tokens", "max_completion_tokens", "logprobs"})
_REQUEST = frozenset({"organization", "project", "reasoning_effort", "extra_body", "system_role"})
_IMAGES = frozenset({"detail", "image_size", "image_format", "image_quality"})
_TIMES = frozenset({"timeout_s", "deadline_s"})
USED_BY: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "openai": _LENGTH | _REQUEST | _IMAGES | _TIMES | {"seed"},
        "transformers": _LENGTH | {"device", "dtype", "batch"},
        "llama_index": _LENGTH | _TIMES | {"seed"},
        "builtin": frozenset(),
    }
)
"""Provider -> the options, beside address and key, that it has a use for."""


class Detail(StrEnum):
    """How closely an endpoint looks at an image, in OpenAI's words."""

    AUTO = "auto"
    LOW = "low"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Everything beside its name that a model can be told; what a provider has no use for it ignores.

    Raises:
        InputError: a value is outside its range.

    Example:
        >>> ModelOptions(temperature=None, max_completion_tokens=4096, reasoning_effort="low").max_tokens
        256
    """

    base_url: str | None = None
    """Address of an OpenAI-compatible endpoint, with its `/v1`; None: `OPENAI_BASE_URL`, else OpenAI."""
    api_key: str | None = field(default=None, repr=False)
    """None: `OPENAI_API_KEY`. May be absent where `base_url` is set, as many local servers ask for none."""
    organization: str | None = None
    """OpenAI's id of who pays; None: `OPENAI_ORG_ID`."""
    project: str | None = None
    """OpenAI's id of the project that pays; None: `OPENAI_PROJECT_ID`."""
    temperature: float | None = 0.0
    """At least 0; None leaves it out of the request, as some reasoning models demand."""
    max_tokens: int | None = 256
    """Longest reply. It costs nothing with a model that replies with a letter, and one that explains itself
    first still reaches its letter. None leaves it out of the request."""
    max_completion_tokens: int | None = None
    """Sent in place of `max_tokens` where set: OpenAI's reasoning models want this one, thinking included."""
    reasoning_effort: str | None = None
    """How long a reasoning model may think, in the endpoint's own words: `none`, `low`, `high` ..."""
    seed: int | None = None
    """Passed on to endpoints that support it; None leaves it out of the request."""
    logprobs: int | None = None
    """Ask for the probabilities of so many of the likeliest first tokens, 1 to 20; None asks for none."""
    extra_body: Mapping[str, object] | None = None
    """Further fields of the request, for what only one endpoint knows, e.g. `{"top_k": 1}`."""
    system_role: bool = True
    """False puts the instruction before the question, for models whose chat template has no system role."""
    detail: Detail | str | None = None
    """`auto`, `low` or `high`; None leaves it to the endpoint."""
    image_size: int | None = None
    """Scale images down to this longest side in pixels when sending them, at least 1; never up."""
    image_format: MediaType | str | None = None
    """Send images as `png`, `jpeg` or `webp`; None: as they are."""
    image_quality: int = 90
    """Of JPEG and WebP that are encoded anew, 1 to 100."""
    timeout_s: float = 120.0
    """Seconds for one request, above 0, from sending to the last byte."""
    deadline_s: float = 600.0
    """Seconds for one question, above 0, from its first request on: retries and pauses included, but not the
    time that it waits for a turn."""
    device: str = "auto"
    """Where a model of this process runs: `auto` (the GPUs, else the CPU), `cpu`, `cuda:0`."""
    dtype: str = "auto"
    """Its number format: `float32`, `bfloat16`, `float16`; `auto` is the checkpoint's own."""
    batch: int = 8
    """The most questions that go through it together, at least 1."""

    def __post_init__(self) -> None:
        _check("temperature", self.temperature, least=0.0, above=False)
        for name in ("organization", "project"):
            value = getattr(self, name)
            if value is not None and not (value.isascii() and value.isprintable()):
                raise InputError(f"{name} is {value!r}, which no header can hold; give it in plain letters")
        _check("max_tokens", self.max_tokens, least=0, above=True)
        _check("max_completion_tokens", self.max_completion_tokens, least=0, above=True)
        if self.logprobs is not None and not 1 <= self.logprobs <= MAX_LOGPROBS:
            raise InputError(f"logprobs is {self.logprobs}; give a number from 1 to {MAX_LOGPROBS}")
        _check("timeout_s", self.timeout_s, least=0.0, above=True)
        _check("deadline_s", self.deadline_s, least=0.0, above=True)
        _check("batch", self.batch, least=1, above=False)
        _check("image_size", self.image_size, least=1, above=False)
        if not 1 <= self.image_quality <= 100:
            raise InputError(f"image_quality is {self.image_quality}; give a number from 1 to 100")
        if self.image_format is not None and self.media_type is None:
            names = ", ".join(sorted(media_type.removeprefix(_IMAGE) for media_type in FORMATS))
            raise InputError(f"image_format is {self.image_format}; give one of {names}")
        if self.detail is not None and self.detail not in list(Detail):
            raise InputError(f"detail is {self.detail}; give one of {', '.join(Detail)}")
        _check_extra(self.extra_body)

    @property
    def media_type(self) -> MediaType | None:
        """What `image_format` names; None where it names nothing that images can be sent as."""
        named = f"{_IMAGE}{str(self.image_format).removeprefix(_IMAGE)}"
        return next((media_type for media_type in FORMATS if media_type == named), None)


def _check_extra(extra: Mapping[str, object] | None) -> None:
    if extra is None:
        return
    if not isinstance(extra, Mapping):
        raise InputError(f"extra_body is a {type(extra).__name__}; give a mapping of names to JSON values")
    if taken := _OWN_FIELDS & set(extra):
        raise InputError(
            f"extra_body sets {', '.join(sorted(taken))}, which the question decides; leave it out"
        )
    try:
        written = json.dumps(extra, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"extra_body holds what JSON cannot ({error}); give plain values") from None
    if found := _SECRET.search(written):
        raise InputError(
            f"extra_body holds {found[1]}, and it is written into runs; "
            "give keys as headers, in OPENAI_CUSTOM_HEADERS, or keep them at the gateway"
        )


def _check(name: str, value: float | None, *, least: float, above: bool) -> None:
    """NaN is outside every range."""
    if value is None or (least < value < math.inf) or (value == least and not above):
        return
    raise InputError(f"{name} is {value}; give a number {'above' if above else 'of at least'} {least:g}")
