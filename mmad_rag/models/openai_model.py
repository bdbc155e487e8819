"""A model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mmad_rag.models.chat_messages import chat_messages
from mmad_rag.models.completion import Completion
from mmad_rag.models.endpoint import find_endpoint
from mmad_rag.models.openai_answer import read_answer
from mmad_rag.models.openai_errors import (
    connection_failure,
    late_failure,
    status_failure,
    unsendable_failure,
)
from mmad_rag.models.options import ModelOptions
from mmad_rag.models.per_loop import PerLoop
from mmad_rag.models.retry import Failure, Patience, persist
from mmad_rag.prompt import render
from mmad_rag.records import Prompt, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletionMessageParam


class OpenAIModel:
    """Asks any endpoint that speaks OpenAI's chat completions: OpenAI, vLLM, Ollama, llama.cpp, gateways.

    A system message holds the instruction; one user message holds text and pictures in the prompt's order,
    pictures as `data:` URLs with their true media type. Failures and what becomes of them: the table in
    `mmad_rag.models.openai_errors`. How many questions are asked at once is the caller's business.

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
        self._clients = PerLoop(self._make_client, _close_client)

    @property
    def identity(self) -> str:
        """Model name, place and sampling; neither key nor user name."""
        options = self._options
        limit = "max_tokens" if options.max_completion_tokens is None else "max_completion_tokens"
        sampling = {
            "temperature": options.temperature,
            limit: options.max_completion_tokens or options.max_tokens,
            "seed": options.seed,
            "logprobs": options.logprobs,
        }
        said = "".join(f", {name}={value}" for name, value in sampling.items() if value is not None)
        return f"openai:{self._name} at {self._endpoint.place}{said}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask the endpoint, again where that may help.

        Raises:
            ModelActionError: every question would fail alike until the user acts.
            ModelRetryError: this question, or this moment, gives no reply.
        """
        messages = chat_messages(render(prompt))
        client = await self._clients.get()
        start = self._patience.clock()
        completion = await persist(
            lambda limit_s: self._attempt(client, messages, limit_s),
            timeout_s=self._options.timeout_s,
            deadline_s=self._options.deadline_s,
            patience=self._patience,
        )
        return Reply(
            text=completion.text,
            model=completion.model or self._name,
            usage=completion.usage,
            latency_s=self._patience.clock() - start,
            first_token=completion.first_token,
        )

    async def _attempt(
        self, client: AsyncOpenAI, messages: list[ChatCompletionMessageParam], limit_s: float
    ) -> Completion | Failure:
        """One request.

        Failures are returned: an exception would carry the SDK's own along, which may quote the key.
        """
        import openai

        try:
            # The SDK's timeout starts anew with every byte that arrives; this one does not.
            async with asyncio.timeout(limit_s):
                content, content_type = await self._post(client, messages)
        except UnicodeEncodeError:
            return unsendable_failure()
        except TimeoutError:
            return late_failure(endpoint=self._endpoint, patience=self._patience)
        except openai.APIConnectionError as error:
            return connection_failure(error, endpoint=self._endpoint, patience=self._patience)
        except openai.APIStatusError as error:
            headers = error.response.headers
            return status_failure(
                error.status_code, headers, error.body, endpoint=self._endpoint, patience=self._patience
            )
        return read_answer(content, content_type, endpoint=self._endpoint, patience=self._patience)

    async def _post(
        self, client: AsyncOpenAI, messages: list[ChatCompletionMessageParam]
    ) -> tuple[bytes, str]:
        """Body and media type; raw, because the SDK turns an HTML page into a reply without complaint."""
        from openai import omit

        options = self._options
        both = options.max_completion_tokens is not None
        response = await client.chat.completions.with_raw_response.create(
            model=self._name,
            messages=messages,
            temperature=omit if options.temperature is None else options.temperature,
            max_tokens=omit if both or options.max_tokens is None else options.max_tokens,
            max_completion_tokens=options.max_completion_tokens if both else omit,
            seed=omit if options.seed is None else options.seed,
            logprobs=omit if options.logprobs is None else True,
            top_logprobs=omit if options.logprobs is None else options.logprobs,
        )
        return response.content, response.headers.get("content-type", "")

    def _make_client(self) -> AsyncOpenAI:
        import httpx
        import openai.resources.chat.completions  # now, not on the clock of the first request

        return openai.AsyncOpenAI(
            base_url=self._endpoint.url,
            api_key=self._endpoint.key,
            timeout=httpx.Timeout(None, connect=self._patience.connect_s),  # the rest: see `_attempt`
            max_retries=0,  # the SDK would wait as long as a Retry-After says, whatever the timeout
        )


async def _close_client(client: AsyncOpenAI) -> None:
    await client.close()
