"""An OpenAI client whose requests carry knowledge."""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from mmad_rag.errors import InputError
from mmad_rag.models.adapt import is_client
from mmad_rag.rag.augment import Addition, add_knowledge
from mmad_rag.rag.conversation import TextType
from mmad_rag.retrieve import Retriever
from mmad_rag.retrieve.config import RequestCounters
from mmad_rag.retrieve.route_cache import SeenImages

ClientT = TypeVar("ClientT")
Report: TypeAlias = Callable[[Addition], None]

_MARK = "_mmad_rag_adds_knowledge"


@dataclass(frozen=True, slots=True)
class _Place:
    """The place of the conversation in a request's body."""

    name: str
    """Name of the field that holds the conversation."""
    text_type: TextType
    """Type of text parts at the endpoint, which may refuse the other type."""


_CONVERSATIONS = MappingProxyType(
    {"/chat/completions": _Place("messages", "text"), "/responses": _Place("input", "input_text")}
)
"""Path of a request -> place of the conversation in its body."""


def wrap_client(
    client: ClientT,
    retriever: Retriever,
    report: Report | None = None,
    seen: SeenImages | None = None,
    *,
    counters: RequestCounters | None = None,
) -> ClientT:
    """A copy of a client that adds knowledge to requests which show an image.

    Its class derives from the given client's class and overrides one method, `post`, through which the SDK
    sends every request: every call that ends in a chat completion or a response (`create`, `parse`, `stream`,
    their raw and streamed forms, `with_options`) carries knowledge, and all other behaviour is the SDK's. The
    connections are shared; the given client is not changed.

    Args:
        client: An `openai.OpenAI`, an `AsyncOpenAI`, or a client of a derived class.
        retriever: Looks up knowledge, in the calling thread, or in another thread for an asynchronous client.
        report: Called with the addition to each chat completion or response, before the request is sent.
        seen: Caches images, as for `add_knowledge`.
        counters: Find the counter of the model that a request names, by which its knowledge is then counted.
            None uses the retriever's counter.

    Raises:
        InputError: this is not an OpenAI client, or it is wrapped already.
    """
    kind: Any = type(client)
    if not is_client(client):
        raise InputError(f"a {kind.__name__} is not an openai.OpenAI or AsyncOpenAI; give a client to wrap")
    if is_wrapped(client):
        raise InputError("this client adds knowledge already, and would add it twice; wrap the plain one")

    def added(path: str, body: object) -> object:
        place = _CONVERSATIONS.get(path)
        if place is None or not isinstance(body, Mapping) or not isinstance(body.get(place.name), list):
            return body
        counter = None if counters is None else counters.find(body.get("model"))
        addition = add_knowledge(
            body[place.name], retriever, seen, text_type=place.text_type, counter=counter
        )
        if report is not None:
            report(addition)
        return {**body, place.name: addition.messages} if addition.added else body

    def post(self: Any, path: str, *, body: object = None, **rest: Any) -> Any:  # noqa: ANN401
        return kind.post(self, path, body=added(path, body), **rest)

    async def post_async(self: Any, path: str, *, body: object = None, **rest: Any) -> Any:  # noqa: ANN401
        carried = await asyncio.to_thread(added, path, body) if path in _CONVERSATIONS else body
        return await kind.post(self, path, body=carried, **rest)

    method = post_async if inspect.iscoroutinefunction(kind.post) else post
    wrapped = copy.copy(client)
    for name in [name for name in vars(wrapped) if isinstance(getattr(kind, name, None), cached_property)]:
        del vars(wrapped)[name]  # cached attributes such as the SDK's `chat` refer to the original client
    wrapped.__class__ = type(f"Knowing{kind.__name__}", (kind,), {"post": method, _MARK: True})
    return wrapped


def is_wrapped(client: object) -> bool:
    """Whether a client already adds knowledge."""
    return getattr(type(client), _MARK, False) is True
