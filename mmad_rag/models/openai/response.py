"""Read the body of a chat completion without trusting its shape."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from mmad_rag.models.finish_reason import Ending, ending_of
from mmad_rag.models.openai.endpoint import Endpoint
from mmad_rag.models.openai.errors import broken_failure, garbled_failure, reported_failure, tool_failure
from mmad_rag.models.openai.retry import Failure, Patience
from mmad_rag.models.openai.told_error import finish_of, first_choice, told_error
from mmad_rag.records import Usage

_MOST = 2**53  # beyond it floats cannot represent every whole number


@dataclass(frozen=True, slots=True)
class Completion:
    """The first choice of a chat completion."""

    text: str
    """The choice's content, else its refusal, else an empty text."""
    model: str
    """The model's name as the endpoint reports it; empty if it does not."""
    usage: Usage | None
    """Token counts; None if they are absent or are not numbers."""
    finish: str | None = None
    """The choice's `finish_reason`, see `mmad_rag.models.finish_reason`; None if the endpoint gives none."""
    tools: tuple[str, ...] = ()
    """Names of the tools that the model calls instead of answering or in addition."""
    first_token: Mapping[str, float] | None = None
    """Likeliest first tokens -> probability in [0, 1]; None if the endpoint gives none."""


def read_body(content: bytes) -> Mapping[str, object] | None:
    """The JSON object of a body of status 200, which may be the only item of a list; None without one."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return None
    if isinstance(body, list) and len(body) == 1:
        body = body[0]
    return body if isinstance(body, dict) else None


def read_completion(body: Mapping[str, object]) -> Completion:
    """Read a body that holds a completion; fields that are absent or of another type count as not given.

    If the content is a list of parts, their texts are joined without a separator.
    """
    choice = _mapping(first_choice(body))
    message = _mapping(choice.get("message"))
    return Completion(
        text=_text(message.get("content")) or _text(message.get("refusal")),
        model=_text(body.get("model")),
        usage=_usage(_mapping(body.get("usage"))),
        finish=finish_of(choice),
        tools=_tools(message),
        first_token=_first_token(_mapping(choice.get("logprobs")).get("content")),
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
    """Names of the tools called, in the present form or in the older one, `function_call`."""
    listed = message.get("tool_calls")
    calls = [_mapping(call) for call in listed] if isinstance(listed, list) else []
    functions = [_mapping(call.get("function") or call.get("custom")) for call in calls]
    functions += [_mapping(message.get("function_call"))] if message.get("function_call") else []
    return tuple(_text(function.get("name")) or "without a name" for function in functions)


def _first_token(content: object) -> Mapping[str, float] | None:
    """Probabilities at the first position; those of tokens that decode to the same text are summed."""
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
    """The value as a whole number of 0 or more, which may be written as `1000.0`; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _MOST:
        return None
    return int(value) if value == int(value) else None


_QUOTED_BYTES = 1000


def read_answer(
    content: bytes, content_type: str, *, endpoint: Endpoint, patience: Patience
) -> Completion | Failure:
    """Read a response of status 200.

    A failure is what is not a chat completion, what tells of an error beside, inside or instead of a reply, a
    reply that the endpoint broke off, and a tool call instead of text.
    """
    body = read_body(content)
    if body is None:
        says_json = "json" in content_type.lower()
        quoted = content[:_QUOTED_BYTES].decode("utf-8", "replace")
        return garbled_failure(quoted, says_json=says_json, endpoint=endpoint, patience=patience)
    error = told_error(body)
    if error is not None:
        return reported_failure(error, body, endpoint=endpoint, patience=patience)
    completion = read_completion(body)
    if ending_of(completion.finish) is Ending.FAILED:
        return broken_failure(completion.finish or "", endpoint=endpoint, patience=patience)
    if completion.tools and not completion.text:
        return tool_failure(completion.tools, endpoint=endpoint)
    return completion
