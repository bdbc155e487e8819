"""The request of a chat completion, as the options ask for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmad_rag.models.chat_messages import chat_messages
from mmad_rag.models.options import Detail, ModelOptions
from mmad_rag.models.sent_pictures import SentPictures
from mmad_rag.prompt import RenderedPrompt, TextPart
from mmad_rag.records import MediaType

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam


class RequestMaker:
    """Turns prompts into requests, all by the same options.

    Args:
        options: None sends nothing but messages, pictures as they are.
    """

    def __init__(self, options: ModelOptions | None) -> None:
        self._options = options
        self._pictures = SentPictures(options if options is not None else ModelOptions())

    @property
    def fields(self) -> Mapping[str, Any]:
        """What is given to the SDK's `create` beside model and messages."""
        options = self._options
        if options is None:
            return {}
        fields = {
            "temperature": options.temperature,
            "max_tokens": options.max_tokens if options.max_completion_tokens is None else None,
            "max_completion_tokens": options.max_completion_tokens,
            "reasoning_effort": options.reasoning_effort,
            "seed": options.seed,
            "logprobs": None if options.logprobs is None else True,
            "top_logprobs": options.logprobs,
            "extra_body": dict(options.extra_body) if options.extra_body else None,
        }
        return {name: value for name, value in fields.items() if value is not None}

    @property
    def said(self) -> str:
        """Everything that can change a reply, for an identity: `, NAME=VALUE` for each."""
        options = self._options
        if options is None:
            return ""
        limit = "max_tokens" if options.max_completion_tokens is None else "max_completion_tokens"
        extra = options.extra_body
        lossy = options.media_type in (MediaType.JPEG, MediaType.WEBP)
        encoded_anew = lossy or (options.image_size is not None and options.media_type is None)
        named = {
            "temperature": None if options.temperature is None else float(options.temperature),
            limit: options.max_completion_tokens or options.max_tokens,
            "reasoning_effort": options.reasoning_effort,
            "seed": options.seed,
            "logprobs": options.logprobs,
            "system_role": None if options.system_role else False,
            "detail": options.detail,
            "image_size": options.image_size,
            "image_format": options.media_type,
            "image_quality": options.image_quality if encoded_anew else None,
            "extra_body": None if not extra else json.dumps(extra, sort_keys=True, separators=(",", ":")),
        }
        return "".join(f", {name}={value}" for name, value in named.items() if value is not None)

    async def messages(self, rendered: RenderedPrompt) -> list[ChatCompletionMessageParam]:
        """The messages; pictures that have to be encoded anew are so in a thread."""
        options = self._options if self._options is not None else ModelOptions()
        detail = None if options.detail is None else Detail(options.detail)
        if not self._pictures.change_nothing:
            rendered = await asyncio.to_thread(self._prepared, rendered)
        return chat_messages(rendered, detail=detail, system_role=options.system_role)

    def _prepared(self, rendered: RenderedPrompt) -> RenderedPrompt:
        parts = tuple(
            part if isinstance(part, TextPart) else self._pictures.prepared(part) for part in rendered.parts
        )
        return replace(rendered, parts=parts)
