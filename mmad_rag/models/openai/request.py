"""The request of a chat completion, as the options ask for it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmad_rag.images import data_url
from mmad_rag.images.encode import reencoded
from mmad_rag.models.options import Detail, ModelOptions
from mmad_rag.prompt import PromptPart, RenderedPrompt, TextPart, joined_texts
from mmad_rag.records import EncodedImage, MediaType

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionContentPartParam, ChatCompletionMessageParam


def chat_messages(
    rendered: RenderedPrompt, *, detail: Detail | None = None, system_role: bool = True
) -> list[ChatCompletionMessageParam]:
    """A system message with the instruction; a user message with texts and images in the prompt's order.

    Images are `data:` URLs with their true media type; `detail` stands beside each where it is given. Texts
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


_KEPT = 64


class SentImages:
    """Scales images down and encodes them as the options say, each once while it is in use.

    The arms of a run show the same image one right after the other, and a normal example comes back with
    many questions. Safe to use from several threads.

    Args:
        options: of them count `image_size`, `image_format` and `image_quality`.
    """

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._lock = threading.Lock()
        self._ready: OrderedDict[tuple[str, int, int], EncodedImage] = OrderedDict()

    @property
    def change_nothing(self) -> bool:
        """Whether every image is sent as it is."""
        return self._options.image_size is None and self._options.media_type is None

    def prepared(self, image: EncodedImage) -> EncodedImage:
        """The image to send, its media type that of its bytes."""
        key = (image.digest, image.width, image.height)
        with self._lock:
            ready = self._ready.get(key)
            if ready is not None:
                self._ready.move_to_end(key)
                return ready
        ready = reencoded(
            image,
            longest=self._options.image_size,
            media_type=self._options.media_type,
            quality=self._options.image_quality,
        )
        with self._lock:
            self._ready[key] = ready
            if len(self._ready) > _KEPT:
                self._ready.popitem(last=False)
        return ready


class RequestMaker:
    """Turns prompts into requests, all by the same options.

    Args:
        options: None sends nothing but messages, images as they are.
    """

    def __init__(self, options: ModelOptions | None) -> None:
        self._options = options
        self._images = SentImages(options if options is not None else ModelOptions())

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
        """The messages; images that have to be encoded anew are so in a thread."""
        options = self._options if self._options is not None else ModelOptions()
        detail = None if options.detail is None else Detail(options.detail)
        if not self._images.change_nothing:
            rendered = await asyncio.to_thread(self._prepared, rendered)
        return chat_messages(rendered, detail=detail, system_role=options.system_role)

    def _prepared(self, rendered: RenderedPrompt) -> RenderedPrompt:
        parts = tuple(
            part if isinstance(part, TextPart) else self._images.prepared(part) for part in rendered.parts
        )
        return replace(rendered, parts=parts)
