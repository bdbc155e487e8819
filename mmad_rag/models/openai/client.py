"""A model behind an OpenAI client that the caller has made and set up."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING, Any

from mmad_rag.errors import InputError
from mmad_rag.models.event_loops import PerLoop, in_thread
from mmad_rag.models.openai.endpoint import find_endpoint
from mmad_rag.models.openai.errors import (
    connection_failure,
    late_failure,
    status_failure,
    unsendable_failure,
)
from mmad_rag.models.openai.request import RequestMaker
from mmad_rag.models.openai.response import Completion, read_answer
from mmad_rag.models.openai.retry import Failure, Patience
from mmad_rag.models.openai.setup_check import FirstAnswers
from mmad_rag.models.options import ModelOptions
from mmad_rag.prompt import render
from mmad_rag.records import Prompt, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI
    from openai.types.chat import ChatCompletionMessageParam

_ANY_KEY = "given-by-the-client"


class ClientModel:
    """Asks through an `openai.OpenAI` or `openai.AsyncOpenAI` (or Azure's kind) that you hand in.

    Address, key, headers, time limits and retries are the client's; nothing but model, messages and what is
    given here is sent. A synchronous client is called in threads.

    Connections of an `AsyncOpenAI` belong to the event loop that opened them. Each loop therefore gets a copy
    of the client with connections of its own, unless you gave the client an `http_client`: that one is used
    as it is, so ask with `await` in one loop then.

    Args:
        client: The client.
        name: The model's name at its endpoint.
        options: What is sent beside model and messages, and how images are sent; None sends nothing else.
            Address, key, times and device in them have no part in it.

    Raises:
        InputError: the name is empty.
    """

    def __init__(
        self,
        client: OpenAI | AsyncOpenAI,
        name: str,
        options: ModelOptions | None = None,
    ) -> None:
        if not name.strip():
            raise InputError("an OpenAI client needs the name of a model; give model_name, e.g. 'gpt-4o'")
        self._client = client
        self._name = name
        self._request = RequestMaker(options)
        self._first = FirstAnswers()
        # The key is wanted for hiding it in messages; a client may also get it elsewhere when it asks.
        self._endpoint = find_endpoint(str(client.base_url), client.api_key or _ANY_KEY)
        self._patience = Patience(attempts=1, connect_attempts=1)
        self._copies = PerLoop(self._copy, self._close)

    @property
    def identity(self) -> str:
        """Model name, place and everything sent that can change a reply."""
        return f"openai:{self._name} at {self._endpoint.place}{self._request.said}"

    @property
    def tokenizer(self) -> str:
        """What the model's tokenizer is known by: its name behind `openai:`."""
        return f"openai:{self._name}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask through the client, which asks again by its own rules.

        Raises:
            ModelActionError: every question would fail alike until the user acts.
            ModelRetryError: this question, or this moment, gives no reply.
        """
        messages = await self._request.messages(render(prompt))
        start = time.perf_counter()
        completion = await self._attempt(messages)
        if isinstance(completion, Failure):
            raise self._first.error(completion, prompt)
        self._first.answered()
        return Reply(
            text=completion.text,
            model=completion.model or self._name,
            usage=completion.usage,
            latency_s=time.perf_counter() - start,
            first_token=completion.first_token,
        )

    async def _attempt(self, messages: list[ChatCompletionMessageParam]) -> Completion | Failure:
        """Failures are returned: an exception would carry the SDK's own along, which may quote the key."""
        import openai

        endpoint, patience = self._endpoint, self._patience
        try:
            content, content_type = await self._post(messages)
        except UnicodeEncodeError:
            return unsendable_failure()
        except openai.APITimeoutError:
            return late_failure(endpoint=endpoint, patience=patience)
        except openai.APIConnectionError as error:
            return connection_failure(error, endpoint=endpoint, patience=patience)
        except openai.APIStatusError as error:
            return status_failure(
                error.status_code, error.response.headers, error.body, endpoint=endpoint, patience=patience
            )
        except (
            openai.OpenAIError,
            TypeError,
        ) as error:  # of a missing key, a TypeError
            return Failure(
                f"the client for {endpoint.place} cannot ask ({endpoint.quote(str(error))})",
                "set up its key and address",
                stops_run=True,
            )
        return read_answer(content, content_type, endpoint=endpoint, patience=patience)

    async def _post(self, messages: list[ChatCompletionMessageParam]) -> tuple[bytes, str]:
        """Body and media type; raw, because the SDK turns an HTML page into a reply without complaint."""
        import openai

        if isinstance(self._client, openai.AsyncOpenAI):
            client = await self._copies.get()
            response = await client.chat.completions.with_raw_response.create(
                model=self._name, messages=messages, **self._request.fields
            )
        else:
            create = self._client.chat.completions.with_raw_response.create
            response = await in_thread(
                lambda: create(model=self._name, messages=messages, **self._request.fields)
            )
        return response.content, response.headers.get("content-type", "")

    def _copy(self) -> AsyncOpenAI:
        """For one event loop."""
        import openai

        client: Any = self._client
        if type(client._client) is not own_connections():
            return client  # type: ignore[no-any-return]  # only ever called for an AsyncOpenAI
        return client.copy(http_client=openai.DefaultAsyncHttpxClient())  # type: ignore[no-any-return]

    async def _close(self, copy: AsyncOpenAI) -> None:
        """Only connections that were made here are closed."""
        if copy is not self._client:
            await copy.close()


@functools.cache
def own_connections() -> type:
    """The class of the connections that an `AsyncOpenAI` makes when it is given none.

    The SDK does not say whether a client was given its connections, and its `copy` hands both kinds on. But
    those that it makes are of a class that it keeps to itself: whoever gives some gives httpx's, or a
    `DefaultAsyncHttpxClient`, or their own. So one client is made to look at, which asks nothing.
    """
    import openai

    return type(openai.AsyncOpenAI(api_key=_ANY_KEY, base_url="http://localhost")._client)
