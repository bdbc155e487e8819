"""The body of a chat completion, read without trusting its shape."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from mmad_rag.models.openai.endpoint import Endpoint
from mmad_rag.models.openai.errors import garbled_failure, reported_failure, tool_failure
from mmad_rag.models.openai.retry import Failure, Patience
from mmad_rag.records import Usage

_MOST = 2**53  # beyond it floats are not whole numbers any more


@dataclass(frozen=True, slots=True)
class Completion:
    """What an endpoint answered with status 200."""

    text: str
    """The first choice's content, else its refusal, else nothing."""
    model: str
    """The model's name as the endpoint reports it; empty where it does not."""
    usage: Usage | None
    """Token counts; None where they are absent or no numbers."""
    error: object
    """What stands under `error` where there are no choices; None otherwise."""
    tools: tuple[str, ...] = ()
    """Names of the tools that the model calls instead of, or beside, answering."""
    first_token: Mapping[str, float] | None = None
    """Likeliest first tokens -> probability in [0, 1]; None where the endpoint gives none."""


def read_completion(content: bytes) -> Completion | None:
    """Read a body of status 200; None where it is not JSON object.

    Choices or content that are null, empty or absent give an empty text. Content that is a list of parts
    gives their texts, joined without anything between them.
    """
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = _mapping(_mapping(choice).get("message"))
    return Completion(
        text=_text(message.get("content")) or _text(message.get("refusal")),
        model=_text(body.get("model")),
        usage=_usage(_mapping(body.get("usage"))),
        error=body.get("error") if choice is None else None,
        tools=_tools(message),
        first_token=_first_token(_mapping(_mapping(choice).get("logprobs")).get("content")),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(_text(part if isinstance(part, str) else _mapping(part).get("text")) for part in value)
    return ""


def _tools(message: Mapping[str, object]) -> tuple[str, ...]:
    """Of the present form and of the older one, `function_call`."""
    listed = message.get("tool_calls")
    calls = [_mapping(call) for call in listed] if isinstance(listed, list) else []
    functions = [_mapping(call.get("function") or call.get("custom")) for call in calls]
    functions += [_mapping(message.get("function_call"))] if message.get("function_call") else []
    return tuple(_text(function.get("name")) or "without a name" for function in functions)


def _first_token(content: object) -> Mapping[str, float] | None:
    """Probabilities at the first position; the same token in two ways of writing counts once, summed."""
    if not isinstance(content, list) or not content:
        return None
    first = _mapping(content[0])
    listed = first.get("top_logprobs")
    found: dict[str, float] = {}
    for item in listed if isinstance(listed, list) and listed else [first]:
        token, logprob = _mapping(item).get("token"), _mapping(item).get("logprob")
        if isinstance(token, str) and isinstance(logprob, int | float) and not math.isnan(logprob):
            found[token] = min(1.0, found.get(token, 0.0) + math.exp(min(0.0, logprob)))
    return found or None


def _usage(usage: Mapping[str, object]) -> Usage | None:
    prompt, completion = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return None if prompt is None or completion is None else Usage(prompt, completion)


def _count(value: object) -> int | None:
    """A whole number of 0 or more, also where it was written as `1000.0`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        return None
    return int(value) if value == int(value) else None


_QUOTED_BYTES = 1000


def read_answer(
    content: bytes, content_type: str, *, endpoint: Endpoint, patience: Patience
) -> Completion | Failure:
    """Read what came with status 200: no JSON, an error, or a tool called in place of text is a failure."""
    completion = read_completion(content)
    if completion is None:
        says_json = "json" in content_type.lower()
        quoted = content[:_QUOTED_BYTES].decode("utf-8", "replace")
        return garbled_failure(quoted, says_json=says_json, endpoint=endpoint, patience=patience)
    if completion.error is not None:
        return reported_failure(completion.error, endpoint=endpoint, patience=patience)
    if completion.tools and not completion.text:
        return tool_failure(completion.tools, endpoint=endpoint)
    return completion
