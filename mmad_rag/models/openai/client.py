"""A model behind an OpenAI client that the caller has configured."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from mmad_rag.errors import InputError, MmadRagError, ModelActionError
from mmad_rag.models.event_loops import PerLoop, in_thread
from mmad_rag.models.openai.endpoint import given_endpoint
from mmad_rag.models.openai.endpoint_model import EndpointModel
from mmad_rag.models.openai.errors import late_failure
from mmad_rag.models.openai.request import RequestMaker
from mmad_rag.models.openai.response import Completion, read_answer
from mmad_rag.models.openai.retry import Failure, Patience
from mmad_rag.models.options import ModelOptions
from mmad_rag.network import usable_settings
from mmad_rag.prompt import render
from mmad_rag.records import Prompt, Reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI
    from openai.types.chat import ChatCompletionMessageParam


class ClientModel(EndpointModel):
    """Asks through a given `openai.OpenAI` or `openai.AsyncOpenAI` (or Azure's class).

    Address, key, headers, time limits and retries are the client's; only model, messages and the options
    given here are sent. A synchronous client is called in threads.

    Connections of an `AsyncOpenAI` belong to the event loop that opened them. Each loop therefore gets a copy
    of the client with its own connections, unless the client was given an `http_client`: that one is used
    unchanged, so all questions must then be awaited in one loop.

    Args:
        client: The client.
        name: The model's name at its endpoint.
        options: Fields to send besides model and messages, and how images are sent; None sends nothing else.
            Their address, key, time limits and device are ignored.

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
        # The key is the client's own matter: it may obtain one later, and hold another text until then.
        endpoint = given_endpoint(str(client.base_url), client.api_key)
        super().__init__(name, endpoint, RequestMaker(options), Patience(attempts=1, connect_attempts=1))
        self._client = client
        self._copies = PerLoop(self._copy, self._close)

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask through the client, which retries by its own rules.

        Raises:
            ModelActionError: every question would fail in the same way until the user acts.
            ModelRetryError: there is no reply to this question, or not at this time.
        """
        messages = await self._request.messages(render(prompt))
        start = time.perf_counter()
        completion = await self._attempt(messages)
        if isinstance(completion, Failure):
            raise self._first.error(completion, prompt)
        self._first.answered()
        return self._reply(completion, time.perf_counter() - start)

    async def _attempt(self, messages: list[ChatCompletionMessageParam]) -> Completion | Failure:
        """Send one request; failures are returned, because the chain of a raised error may quote the key."""
        import openai

        endpoint, patience = self._endpoint, self._patience
        try:
            content, content_type = await self._post(messages)
        except openai.APITimeoutError:
            return late_failure(endpoint=endpoint, patience=patience)
        except (UnicodeEncodeError, openai.APIConnectionError, openai.APIStatusError) as error:
            return self._failure_of(error)
        except MmadRagError:
            raise
        except Exception as error:  # what obtains its key runs code of its own
            said = str(error) or type(error).__name__
            return Failure(
                f"the client for {endpoint.place} cannot ask ({endpoint.quote(said)})",
                "set up its key and address",
                stops_run=True,
            )
        return read_answer(content, content_type, endpoint=endpoint, patience=patience)

    async def _post(self, messages: list[ChatCompletionMessageParam]) -> tuple[bytes, str]:
        """Body and media type of the raw response; the SDK would silently turn an HTML page into a reply."""
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
        """A copy of the client for one event loop."""
        import openai

        client: Any = self._client
        if not made_by_sdk(client._client):
            return client  # type: ignore[no-any-return]  # called for an AsyncOpenAI only
        with usable_settings(ModelActionError):
            return client.copy(http_client=openai.DefaultAsyncHttpxClient())  # type: ignore[no-any-return]

    async def _close(self, copy: AsyncOpenAI) -> None:
        """Close the connections of a copy if they were made here."""
        if copy is not self._client:
            await copy.close()


def made_by_sdk(http_client: object) -> bool:
    """Whether an `AsyncOpenAI` made its HTTP client itself.

    The SDK does not say whether an HTTP client was given to it, and its `copy` passes on both kinds. But the
    ones that the SDK makes have a private class of the SDK, while a caller gives httpx's class, one of the
    SDK's public classes, or another one.
    """
    import openai

    kind = type(http_client)
    public = {value for value in vars(openai).values() if isinstance(value, type)}
    return kind.__module__.partition(".")[0] == "openai" and kind not in public
