"""A model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mmad_rag.models.event_loops import PerLoop
from mmad_rag.models.openai.endpoint import find_endpoint
from mmad_rag.models.openai.errors import (
    connection_failure,
    late_failure,
    status_failure,
    unsendable_failure,
)
from mmad_rag.models.openai.request import RequestMaker
from mmad_rag.models.openai.response import Completion, read_answer
from mmad_rag.models.openai.retry import Failure, Patience, persist
from mmad_rag.models.openai.setup_check import FirstAnswers
from mmad_rag.models.openai.throttle import Throttle
from mmad_rag.models.options import ModelOptions
from mmad_rag.prompt import render
from mmad_rag.records import Prompt, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam


@dataclass(frozen=True, slots=True)
class _Line:
    """What belongs to one event loop."""

    client: AsyncOpenAI
    """Holds its connections."""
    throttle: Throttle
    """Says how many may be under way."""


class _Watch:
    """A question's own clock: it stands still while the question waits for its turn."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.waited_s = 0.0
        self._clock = clock

    def clock(self) -> float:
        """Seconds since any fixed moment."""
        return self._clock() - self.waited_s


class OpenAIModel:
    """Asks any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, gateways.

    A system message holds the instruction; one user message holds text and images in the prompt's order,
    images as `data:` URLs with their true media type. Failures and what becomes of them: the table in
    `mmad_rag.models.openai.errors`. As many questions are under way as the caller asks at once, until the
    endpoint complains; then fewer, see `Throttle`.

    Example:
        >>> options = ModelOptions(base_url="http://localhost:8000/v1", max_tokens=16)
        >>> OpenAIModel("qwen", options).identity
        'openai:qwen at localhost:8000/v1, temperature=0.0, max_tokens=16'
    """

    def __init__(
        self, name: str, options: ModelOptions | None = None, *, patience: Patience | None = None
    ) -> None:
        """Find address and key; nothing is sent yet.

        Raises:
            SpecError: the base URL cannot be used.
            ModelActionError: the key cannot be used, or is missing where OpenAI itself is asked.
        """
        self._name = name
        self._options = options if options is not None else ModelOptions()
        self._patience = patience if patience is not None else Patience()
        self._endpoint = find_endpoint(self._options.base_url, self._options.api_key)
        self._request = RequestMaker(self._options)
        self._first = FirstAnswers()
        self._lines = PerLoop(self._make_line, _close_line)

    @property
    def identity(self) -> str:
        """Model name, place and everything sent that can change a reply; neither key nor user name."""
        return f"openai:{self._name} at {self._endpoint.place}{self._request.said}"

    @property
    def tokenizer(self) -> str:
        """What the model's tokenizer is known by: its name behind `openai:`."""
        return f"openai:{self._name}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask the endpoint, again where that may help; waiting for a turn is not part of the latency.

        Raises:
            ModelActionError: every question would fail alike until the user acts.
            ModelRetryError: this question, or this moment, gives no reply.
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
        latency_s = watch.clock() - start
        return Reply(
            text=completion.text,
            model=completion.model or self._name,
            usage=completion.usage,
            latency_s=latency_s,
            first_token=completion.first_token,
        )

    async def _attempt(
        self, line: _Line, messages: list[ChatCompletionMessageParam], limit_s: float, watch: _Watch
    ) -> Completion | Failure:
        """One request when its turn has come, and what the next ones can learn from it."""
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
            # a wish longer than a question's own time is for the user to hear of, not for all to sit out
            line.throttle.complained(sent, wait if wait is None or wait < self._options.deadline_s else None)
        return result

    async def _ask(
        self, client: AsyncOpenAI, messages: list[ChatCompletionMessageParam], limit_s: float
    ) -> Completion | Failure:
        """Failures are returned: an exception would carry the SDK's own along, which may quote the key."""
        import openai

        endpoint, patience = self._endpoint, self._patience
        try:
            # The SDK's timeout starts anew with every byte that arrives; this one does not.
            async with asyncio.timeout(limit_s):
                content, content_type = await self._post(client, messages)
        except UnicodeEncodeError:
            return unsendable_failure()
        except TimeoutError:
            return late_failure(endpoint=endpoint, patience=patience)
        except openai.APIConnectionError as error:
            return connection_failure(error, endpoint=endpoint, patience=patience)
        except openai.APIStatusError as error:
            headers = error.response.headers
            return status_failure(
                error.status_code, headers, error.body, endpoint=endpoint, patience=patience
            )
        return read_answer(content, content_type, endpoint=endpoint, patience=patience)

    async def _post(
        self, client: AsyncOpenAI, messages: list[ChatCompletionMessageParam]
    ) -> tuple[bytes, str]:
        """Body and media type; raw, because the SDK turns an HTML page into a reply without complaint."""
        response = await client.chat.completions.with_raw_response.create(
            model=self._name, messages=messages, **self._request.fields
        )
        return response.content, response.headers.get("content-type", "")

    def _make_line(self) -> _Line:
        return _Line(self._make_client(), Throttle(self._patience.clock, self._patience.sleep))

    def _make_client(self) -> AsyncOpenAI:
        import openai.resources.chat.completions  # now, not on the clock of the first request

        return openai.AsyncOpenAI(
            base_url=self._endpoint.url,
            api_key=self._endpoint.key,
            organization=self._options.organization,
            project=self._options.project,
            timeout=openai.Timeout(None, connect=self._patience.connect_s),  # the rest: see `_attempt`
            max_retries=0,  # the SDK would wait as long as a Retry-After says, whatever the timeout
        )


async def _close_line(line: _Line) -> None:
    await line.client.close()
