"""A rendered prompt as the messages of OpenAI's chat completions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.images import data_url
from mmad_rag.models.options import Detail
from mmad_rag.prompt import PromptPart, RenderedPrompt, TextPart, joined_texts

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam


def chat_messages(
    rendered: RenderedPrompt, *, detail: Detail | None = None, system_role: bool = True
) -> list[ChatCompletionMessageParam]:
    """A system message with the instruction; a user message with texts and pictures in the prompt's order.

    Pictures are `data:` URLs with their true media type; `detail` stands beside each where it is given. Texts
    in a row are one part. Without a system role the instruction is the first of these texts.
    """
    first = () if system_role else (TextPart(rendered.system),)
    content = [_part(part, detail) for part in joined_texts((*first, *rendered.parts))]
    user: ChatCompletionMessageParam = {"role": "user", "content": content}
    return [{"role": "system", "content": rendered.system}, user] if system_role else [user]


def _part(part: PromptPart, detail: Detail | None) -> ChatCompletionContentPartParam:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if detail is None:
        return {"type": "image_url", "image_url": {"url": data_url(part)}}
    return {"type": "image_url", "image_url": {"url": data_url(part), "detail": detail.value}}
