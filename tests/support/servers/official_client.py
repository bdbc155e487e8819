"""One question by OpenAI's official client, in each of its forms."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import openai
import pytest

both_forms = pytest.mark.parametrize("form", ["sync", "async"])
whole_or_streamed = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


@dataclass(frozen=True, slots=True)
class Heard:
    """What the client read."""

    text: str
    """Of the first choice, the pieces of a stream joined."""
    headers: Mapping[str, str]
    """Of the reply; names in any case."""
    prompt_tokens: int | None
    """None where no usage came."""
    logprobs: object
    """Of the first choice, None where none came or the reply was streamed."""


def ask(form: str, base: str, body: Mapping[str, Any], key: str = "none") -> Heard:
    """Once, without trying again.

    Args:
        form: `sync` or `async`.
        base: URL without `/v1`.
        body: of a chat completion; streamed if it says so.
        key: sent as the bearer.

    Raises:
        openai.OpenAIError: what the client raises.
    """
    place: dict[str, Any] = {"base_url": f"{base}/v1", "api_key": key, "max_retries": 0, "timeout": 60}

    async def later() -> Heard:
        async with openai.AsyncOpenAI(**place) as client:
            raw = await client.chat.completions.with_raw_response.create(**body)
            got = raw.parse()
            return _streamed([chunk async for chunk in got], raw) if body.get("stream") else _whole(got, raw)

    if form == "async":
        return asyncio.run(later())
    with openai.OpenAI(**place) as client:
        raw = client.chat.completions.with_raw_response.create(**body)
        got: Any = raw.parse()
        return _streamed(list(got), raw) if body.get("stream") else _whole(got, raw)


def _whole(completion: Any, raw: Any) -> Heard:  # noqa: ANN401 - the SDK's own
    choice, usage = completion.choices[0], completion.usage
    return Heard(choice.message.content, raw.headers, usage.prompt_tokens if usage else None, choice.logprobs)


def _streamed(chunks: list[Any], raw: Any) -> Heard:  # noqa: ANN401 - as above
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    usages = [chunk.usage.prompt_tokens for chunk in chunks if chunk.usage]
    return Heard(text, raw.headers, usages[-1] if usages else None, None)
