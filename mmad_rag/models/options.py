"""Everything beside its name that a model can be told."""

from __future__ import annotations

from dataclasses import dataclass, field

from mmad_rag.errors import InputError

MAX_LOGPROBS = 20
"""As many alternatives as OpenAI's interface gives at a position."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Everything beside its name that a model can be told; what a provider has no use for it ignores.

    Raises:
        InputError: a value is outside its range.
    """

    base_url: str | None = None
    """Address of an OpenAI-compatible endpoint, with its `/v1`; None: `OPENAI_BASE_URL`, else OpenAI."""
    api_key: str | None = field(default=None, repr=False)
    """None: `OPENAI_API_KEY`. May be absent where `base_url` is set, as many local servers ask for none."""
    temperature: float | None = 0.0
    """At least 0; None leaves it out of the request, as some reasoning models demand."""
    max_tokens: int | None = 256
    """Longest reply. It costs nothing with a model that replies with a letter, and one that explains itself
    first still reaches its letter. None leaves it out of the request."""
    max_completion_tokens: int | None = None
    """Sent in place of `max_tokens` where set: OpenAI's reasoning models want this one, thinking included."""
    seed: int | None = None
    """Passed on to endpoints that support it; None leaves it out of the request."""
    logprobs: int | None = None
    """Ask for the probabilities of so many of the likeliest first tokens, 1 to 20; None asks for none."""
    timeout_s: float = 120.0
    """Seconds for one request, above 0, from sending to the last byte."""
    deadline_s: float = 600.0
    """Seconds for one question, above 0, all retries and waiting included."""
    device: str = "auto"
    """Where a model of this process runs: `auto` (the GPUs, else the CPU), `cpu`, `cuda:0`."""
    dtype: str = "auto"
    """Its number format: `float32`, `bfloat16`, `float16`; `auto` is the checkpoint's own."""
    batch: int = 8
    """The most questions that go through it together, at least 1."""

    def __post_init__(self) -> None:
        _check("temperature", self.temperature, least=0.0, above=False)
        _check("max_tokens", self.max_tokens, least=0, above=True)
        _check("max_completion_tokens", self.max_completion_tokens, least=0, above=True)
        if self.logprobs is not None and not 1 <= self.logprobs <= MAX_LOGPROBS:
            raise InputError(f"logprobs is {self.logprobs}; give a number from 1 to {MAX_LOGPROBS}")
        _check("timeout_s", self.timeout_s, least=0.0, above=True)
        _check("deadline_s", self.deadline_s, least=0.0, above=True)
        _check("batch", self.batch, least=1, above=False)


def _check(name: str, value: float | None, *, least: float, above: bool) -> None:
    """NaN is outside every range."""
    if value is None or value > least or (value == least and not above):
        return
    raise InputError(f"{name} is {value}; give a number {'above' if above else 'of at least'} {least:g}")
