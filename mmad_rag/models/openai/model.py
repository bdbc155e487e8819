"""A model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmad_rag.errors import ModelActionError
from mmad_rag.models.event_loops import PerLoop
from mmad_rag.models.openai.endpoint import find_endpoint
from mmad_rag.models.openai.endpoint_model import EndpointModel
from mmad_rag.models.openai.errors import late_failure
from mmad_rag.models.openai.request import RequestMaker
from mmad_rag.models.openai.response import Completion, read_answer
from mmad_rag.models.openai.retry import Failure, Patience, persist
from mmad_rag.models.openai.throttle import Throttle
from mmad_rag.models.options import ModelOptions
from mmad_rag.network import usable_settings
from mmad_rag.prompt import render
from mmad_rag.records import Prompt, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam


@dataclass(frozen=True, slots=True)
class _Line:
    """The client and the throttle of one event loop."""

    client: AsyncOpenAI
    """The client, which holds the loop's connections."""
    throttle: Throttle
    """Limits the requests in flight."""


class _Watch:
    """A clock for one question that stops while the question waits for its turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.waited_s = 0.0
        self._clock = clock

    def clock(self) -> float:
        """Seconds since an arbitrary start, without the time spent waiting for a turn."""
        return self._clock() - self.waited_s


class OpenAIModel(EndpointModel):
    """Asks an endpoint with OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, gateways.

    A system message holds the instruction; one user message holds text and images in the prompt's order,
    images as `data:` URLs with their true media type. The table in `mmad_rag.models.openai.errors` lists the
    failures and their handling. As many requests are in flight as the caller asks at once; after the endpoint
    reports overload, fewer are, see `Throttle`.

    Example:
        >>> options = ModelOptions(base_url="http://localhost:8000/v1", seed=1)
        >>> OpenAIModel("qwen", options).identity
        'openai:qwen at localhost:8000/v1, temperature=0.0, max_tokens=256, seed=1'
    """

    def __init__(
        self, name: str, options: ModelOptions | None = None, *, patience: Patience | None = None
    ) -> None:
        """Find address and key; nothing is sent yet.

        Raises:
            SpecError: the base URL cannot be used.
            ModelActionError: the key cannot be used, or is missing for OpenAI's own endpoint.
        """
        self._options = options if options is not None else ModelOptions()
        endpoint = find_endpoint(self._options.base_url, self._options.api_key)
        super().__init__(
            name, endpoint, RequestMaker(self._options), patience if patience is not None else Patience()
        )
        self._lines = PerLoop(self._make_line, _close_line)

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask the endpoint, with retries if they may help; waiting for a turn does not count as latency.

        Raises:
            ModelActionError: every question would fail in the same way until the user acts.
            ModelRetryError: there is no reply to this question, or not at this time.
        """
        messages = await self._request.messages(render(prompt))
        line = await self._lines.get()
        watch = _Watch(self._patience.clock)
        start = watch.clock()
        completion = await persist(
            lambda limit_s: self._attempt(line, messages, limit_s, watch),
            timeout_s=self._options.timeout_s,
            deadline_s=self._options.deadline_s,
            patience=replace(self._patience, clock=watch.clock),
            error_of=lambda failure, note: self._first.error(failure, prompt, note),
        )
        return self._reply(completion, watch.clock() - start)

    async def _attempt(
        self, line: _Line, messages: list[ChatCompletionMessageParam], limit_s: float, watch: _Watch
    ) -> Completion | Failure:
        """Wait for a turn, send one request, and report its result to the throttle."""
        queued = self._patience.clock()
        async with line.throttle.turn() as sent:
            watch.waited_s += self._patience.clock() - queued
            await line.throttle.pause()
            result = await self._ask(line.client, messages, limit_s)
        if not isinstance(result, Failure):
            line.throttle.answered(sent)
            self._first.answered()
            return result
        if result.overload:
            wait = result.retry_after_s
            # a pause longer than a question's deadline is reported to the user instead of delaying everyone
            line.throttle.complained(sent, wait if wait is None or wait < self._options.deadline_s else None)
        return result

    async def _ask(
        self, client: AsyncOpenAI, messages: list[ChatCompletionMessageParam], limit_s: float
    ) -> Completion | Failure:
        """Send one request; failures are returned, because the chain of a raised error may quote the key."""
        import openai

        endpoint, patience = self._endpoint, self._patience
        try:
            # The SDK's timeout restarts with every byte that arrives; this one does not.
            async with asyncio.timeout(limit_s):
                content, content_type = await self._post(client, messages)
        except TimeoutError:
            return late_failure(endpoint=endpoint, patience=patience)
        except (UnicodeEncodeError, openai.APIConnectionError, openai.APIStatusError) as error:
            return self._failure_of(error)
        return read_answer(content, content_type, endpoint=endpoint, patience=patience)

    async def _post(
        self, client: AsyncOpenAI, messages: list[ChatCompletionMessageParam]
    ) -> tuple[bytes, str]:
        """Body and media type of the raw response; the SDK would silently turn an HTML page into a reply."""
        response = await client.chat.completions.with_raw_response.create(
            model=self._name, messages=messages, **self._request.fields
        )
        return response.content, response.headers.get("content-type", "")

    def _make_line(self) -> _Line:
        return _Line(self._make_client(), Throttle(self._patience.clock, self._patience.sleep))

    def _make_client(self) -> AsyncOpenAI:
        import openai.resources.chat.completions  # imported now, not during the first request

        with usable_settings(ModelActionError):
            return openai.AsyncOpenAI(
                base_url=self._endpoint.url,
                api_key=self._endpoint.key,
                organization=self._options.organization,
                project=self._options.project,
                timeout=openai.Timeout(None, connect=self._patience.connect_s),  # `_attempt` limits the rest
                max_retries=0,  # the SDK would obey any Retry-After, even one beyond the timeout
            )


async def _close_line(line: _Line) -> None:
    await line.client.close()
