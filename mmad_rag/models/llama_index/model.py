"""A LlamaIndex LLM that answers prompts."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmad_rag.errors import InputError, ModelActionError, ModelRetryError
from mmad_rag.models.event_loops import BACKGROUND, WaitingThreads
from mmad_rag.models.finish_reason import Ending, ending_of
from mmad_rag.models.llama_index.errors import translate
from mmad_rag.models.llama_index.settings import describe, hide_secrets, model_name
from mmad_rag.models.options import ModelOptions
from mmad_rag.prompt import RenderedPrompt, TextPart, joined_texts, render
from mmad_rag.records import Prompt, Reply, Usage

if TYPE_CHECKING:
    from llama_index.core.base.llms.types import ChatMessage, ChatResponse
    from llama_index.core.llms import LLM


_USAGES = (
    ("prompt_tokens", "completion_tokens"),  # OpenAI's chat completions and compatible endpoints
    ("input_tokens", "output_tokens"),  # OpenAI's responses, Anthropic, Bedrock
    ("prompt_token_count", "candidates_token_count"),  # Gemini
    ("prompt_eval_count", "eval_count"),  # Ollama
)
_FINISHES = ("finish_reason", "stop_reason", "stopReason", "done_reason")
"""Fields in which OpenAI and Gemini, Anthropic, Bedrock, and Ollama say why a reply ended."""


def read_response(response: ChatResponse, *, model: str, latency_s: float) -> Reply:
    """A reply with the text of all text blocks, and token counts and first-token probabilities if reported.

    Args:
        response: The response that `chat` or `achat` returned.
        model: The name to use if the provider reports none.
        latency_s: Seconds from request to reply.
    """
    reported = _member(response.raw, "model")
    return Reply(
        text=response.message.content or "",
        model=reported if isinstance(reported, str) and reported else model,
        usage=_usage(response),
        latency_s=latency_s,
        first_token=_first_token(response.logprobs),
        finish=_finish(response),
    )


def _finish(response: ChatResponse) -> str | None:
    """Why the reply ended, wherever the provider says it; enums are taken by their names."""
    raw = response.raw
    first = [_first(_member(raw, name)) for name in ("choices", "candidates")]
    for source in (*first, raw, response.additional_kwargs, response.message.additional_kwargs):
        for name in _FINISHES:
            reason = _member(source, name)
            reason = getattr(reason, "name", reason)
            if isinstance(reason, str) and reason:
                return reason
    return None


def _first(items: object) -> object:
    return items[0] if isinstance(items, list | tuple) and items else None


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
    """An item of a mapping or an attribute of an object: providers return either."""
    if isinstance(source, Mapping):
        return source.get(name)
    return getattr(source, name, None)


def _first_token(positions: object) -> Mapping[str, float] | None:
    """Probabilities at the first position; those of tokens that decode to the same text are summed."""
    if not isinstance(positions, list) or not positions or not isinstance(positions[0], list):
        return None
    found: dict[str, float] = {}
    for item in positions[0]:
        token, logprob = _member(item, "token"), _member(item, "logprob")
        if isinstance(token, str) and isinstance(logprob, int | float) and not math.isnan(logprob):
            found[token] = min(1.0, found.get(token, 0.0) + math.exp(min(0.0, logprob)))
    return found or None


class LlamaIndexModel:
    """Asks a LlamaIndex LLM with a system message, then the user's, with text and image blocks in order.

    The LLM keeps its own settings for sampling, retries and timeouts. If an LLM has only a blocking `chat`,
    it is asked in a thread, one question at a time. If it turns messages into plain text, or says that it is
    not a chat model, it would drop images: a prompt with images is then refused.

    Args:
        llm: The LLM, already constructed.
        options: Only `deadline_s` is used: seconds for one question, the LLM's own retries included.

    Raises:
        InputError: `llm` is not an LLM of LlamaIndex.

    Example:
        >>> from llama_index.core.llms import MockLLM
        >>> LlamaIndexModel(MockLLM(max_tokens=3)).identity.partition(",")[0]
        'llama_index:MockLLM/unknown'
    """

    def __init__(self, llm: LLM, options: ModelOptions | None = None) -> None:
        from llama_index.core.llms import LLM

        if not isinstance(llm, LLM):
            raise InputError(
                f"a {type(llm).__name__} is not an LLM of LlamaIndex; give an object of a class such as "
                "llama_index.llms.openai.OpenAI"
            )
        self._llm = llm
        self._deadline_s = (options if options is not None else ModelOptions()).deadline_s
        self._identity = describe(llm)
        self.tokenizer = f"llama_index:{model_name(llm)}"
        """Spec of the model's tokenizer: `llama_index:` with the model's name."""
        self._blocking = WaitingThreads(1, "mmad-rag-llama-index") if _only_blocks(llm) else None

    @property
    def identity(self) -> str:
        """The LLM's class, its model name, and a digest of all its settings except secrets."""
        return self._identity

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask the LLM.

        Raises:
            ModelActionError: every question would fail in the same way until the user acts.
            ModelRetryError: there is no reply to this question, or not at this time.
        """
        if prompt.image is not None or prompt.references:
            self._see_that_it_sees()
        messages = _messages(render(prompt))
        start = time.monotonic()
        try:
            async with asyncio.timeout(self._deadline_s):
                response = await self._chat(messages)
        except TimeoutError:
            raise ModelRetryError(
                f"{self._name} gave no answer within {self._deadline_s:g} s; "
                "ask again later, ask fewer questions at once, or raise deadline_s"
            ) from None
        except Exception as error:  # every provider raises its own kinds; `translate` tells them apart
            raise translate(error, self._name, hide=lambda text: hide_secrets(self._llm, text)) from None
        reply = read_response(response, model=self._name, latency_s=time.monotonic() - start)
        if ending_of(reply.finish) is Ending.FAILED:
            raise ModelRetryError(f"{self._name} broke the reply off ({reply.finish}); ask again later")
        return reply

    @property
    def _name(self) -> str:
        return self._identity.partition(",")[0]

    async def _chat(self, messages: list[ChatMessage]) -> ChatResponse:
        if self._blocking is None:
            return await BACKGROUND.run(lambda: self._llm.achat(messages))
        return await self._blocking.run(lambda: self._llm.chat(messages))

    def _see_that_it_sees(self) -> None:
        from llama_index.core.llms import CustomLLM

        if _inherits(self._llm, CustomLLM, "chat"):
            raise ModelActionError(
                f"{self._name} turns messages into plain text and would not see the images; "
                "take an LLM whose chat takes ImageBlock, or ask without images"
            )
        if not self._llm.metadata.is_chat_model:
            raise ModelActionError(
                f"{self._name} says of itself that it is not a chat model, and such LLMs drop the images; "
                "make it with is_chat_model=True (or its metadata so) if it does see them"
            )


def _only_blocks(llm: LLM) -> bool:
    """Whether the LLM's `achat` only calls `chat`, which blocks the event loop."""
    from llama_index.core.llms import CustomLLM

    return _inherits(llm, CustomLLM, "achat")


def _inherits(llm: LLM, base: type[LLM], method: str) -> bool:
    """Whether the LLM inherits a method from the base class, which LlamaIndex wraps per class for tracing."""
    own, inherited = (inspect.unwrap(getattr(kind, method)) for kind in (type(llm), base))
    return own is inherited


def _messages(rendered: RenderedPrompt) -> list[ChatMessage]:
    from llama_index.core.base.llms.types import ChatMessage, ImageBlock, MessageRole, TextBlock

    blocks = [
        TextBlock(text=part.text)
        if isinstance(part, TextPart)
        else ImageBlock(image=part.data, image_mimetype=part.media_type.value)
        for part in joined_texts(rendered.parts)
    ]
    return [
        ChatMessage(role=MessageRole.SYSTEM, blocks=[TextBlock(text=rendered.system)]),
        ChatMessage(role=MessageRole.USER, blocks=blocks),
    ]
