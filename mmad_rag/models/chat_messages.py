"""A rendered prompt as the messages of OpenAI's chat completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mmad_rag.images import data_url
from mmad_rag.models.options import Detail
from mmad_rag.prompt import PromptPart, RenderedPrompt, TextPart

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam


def chat_messages(
    rendered: RenderedPrompt, *, detail: Detail | None = None
) -> list[ChatCompletionMessageParam]:
    """A system message with the instruction; a user message with texts and pictures in the prompt's order.

    Pictures are `data:` URLs with their true media type; `detail` stands beside each where it is given.
    """
    return [
        {"role": "system", "content": rendered.system},
        {"role": "user", "content": list(_content(rendered.parts, detail))},
    ]


def _content(
    parts: tuple[PromptPart, ...], detail: Detail | None
) -> Iterator[ChatCompletionContentPartParam]:
    for part in parts:
        if isinstance(part, TextPart):
            yield {"type": "text", "text": part.text}
        elif detail is None:
            yield {"type": "image_url", "image_url": {"url": data_url(part)}}
        else:
            yield {"type": "image_url", "image_url": {"url": data_url(part), "detail": detail.value}}
