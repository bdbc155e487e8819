"""A LlamaIndex chat response, read as a reply of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmad_rag.records import Reply, Usage

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatResponse

_USAGES = (
    ("prompt_tokens", "completion_tokens"),  # OpenAI's chat completions and who follows them
    ("input_tokens", "output_tokens"),  # OpenAI's responses, Anthropic, Bedrock
    ("prompt_token_count", "candidates_token_count"),  # Gemini
    ("prompt_eval_count", "eval_count"),  # Ollama
)


def read_response(response: ChatResponse, *, model: str, latency_s: float) -> Reply:
    """Text of all text blocks; token counts and first-token probabilities where the provider gave them.

    Args:
        response: what `chat` or `achat` returned.
        model: the name to use where the provider reports none.
        latency_s: seconds from request to reply.
    """
    reported = _member(response.raw, "model")
    return Reply(
        text=response.message.content or "",
        model=reported if isinstance(reported, str) and reported else model,
        usage=_usage(response),
        latency_s=latency_s,
        first_token=_first_token(response.logprobs),
    )


def _usage(response: ChatResponse) -> Usage | None:
    raw = response.raw
    for source in (
        response.additional_kwargs,
        response.message.additional_kwargs,
        _member(raw, "usage"),
        _member(raw, "usage_metadata"),
        raw,
    ):
        for prompt, completion in _USAGES:
            counts = _member(source, prompt), _member(source, completion)
            if isinstance(counts[0], int) and isinstance(counts[1], int):
                return Usage(counts[0], counts[1])
    return None


def _member(source: object, name: str) -> object:
    """Of a mapping or of an object: providers hand on either."""
    if isinstance(source, Mapping):
        return source.get(name)
    return getattr(source, name, None)


def _first_token(positions: object) -> Mapping[str, float] | None:
    """Probabilities at the first position; the same token in two ways of writing counts once, summed."""
    if not isinstance(positions, list) or not positions or not isinstance(positions[0], list):
        return None
    found: dict[str, float] = {}
    for item in positions[0]:
        token, logprob = _member(item, "token"), _member(item, "logprob")
        if isinstance(token, str) and isinstance(logprob, int | float) and not math.isnan(logprob):
            found[token] = min(1.0, found.get(token, 0.0) + math.exp(min(0.0, logprob)))
    return found or None
