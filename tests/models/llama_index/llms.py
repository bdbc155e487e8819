"""LLMs of LlamaIndex that reply without a provider."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
)
from llama_index.core.llms import CustomLLM
from pydantic import Field, PrivateAttr

from mmad_rag.models.llama_index.model import LlamaIndexModel
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import MediaType, Prompt, Reply
from tests.support.servers.openai_asking import CHOICES, picture

CHAT = LLMMetadata(model_name="seer-1", is_chat_model=True)


class Blocking(CustomLLM):  # type: ignore[misc] # LlamaIndex is not type-checked here
    """Sees images, but has a blocking `chat` only."""

    temperature: float = 0.0
    api_key: str = "sk-very-secret"
    more: dict[str, Any] = Field(default_factory=dict)
    response: ChatResponse = ChatResponse(message=ChatMessage("B", role="assistant"))
    raises: Any = None
    _seen: list[Sequence[ChatMessage]] = PrivateAttr(default_factory=list)
    _under_way: list[int] = PrivateAttr(default_factory=list)
    _wait: threading.Event | None = PrivateAttr(default=None)

    @property
    def metadata(self) -> LLMMetadata:
        return CHAT

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ANN401
        return CompletionResponse(text=prompt)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: ANN401
        raise NotImplementedError

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ANN401
        self._seen.append(messages)
        self._under_way.append(1)
        if self._wait is not None:
            assert self._wait.wait(60)
        assert len(self._under_way) == 1, "two at a time"
        self._under_way.clear()
        if self.raises is not None:
            raise self.raises
        return self.response


class Seeing(Blocking):
    """Has an `achat` of its own; remembers its loops."""

    _loops: list[asyncio.AbstractEventLoop] = PrivateAttr(default_factory=list)
    sleeps: float = 0.0

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ANN401
        self._loops.append(asyncio.get_running_loop())
        await asyncio.sleep(self.sleeps)
        return self.chat(messages)


def images_prompt() -> Prompt:
    known = picture(b"known", MediaType.PNG)
    return Prompt("Is there a defect?", picture(b"query", MediaType.JPEG), CHOICES, (known,))


def ask(llm: Any, prompt: Prompt | None = None, options: ModelOptions | None = None) -> Reply:  # noqa: ANN401
    return asyncio.run(LlamaIndexModel(llm, options).answer(prompt or images_prompt()))
