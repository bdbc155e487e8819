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
from mmad_rag.retrieve.config import RetrievalConfig
from mmad_rag.retrieve.route_cache import SeenImages

ClientT = TypeVar("ClientT")
Report: TypeAlias = Callable[[Addition], None]

_MARK = "_mmad_rag_adds_knowledge"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a request's body holds its conversation."""

    name: str
    """Of the field."""
    text_type: TextType
    """What the endpoint calls a text part; it may refuse the other."""


_CONVERSATIONS = MappingProxyType(
    {"/chat/completions": _Place("messages", "text"), "/responses": _Place("input", "input_text")}
)
"""By the path of the request."""


def wrap_client(
    client: ClientT,
    retriever: Retriever,
    report: Report | None = None,
    seen: SeenImages | None = None,
    *,
    config: RetrievalConfig | None = None,
) -> ClientT:
    """A client like the one given that adds knowledge to requests which show an image.

    It is of a class made from the given client's class and overrides one method, `post`, through which the
    SDK sends every request: whatever ends in a chat completion or a response (`create`, `parse`, `stream`,
    their raw and streamed forms, `with_options`) carries knowledge, and everything else is the SDK's own. The
    connections are shared; the client given stays as it is.

    Args:
        client: An `openai.OpenAI`, an `AsyncOpenAI`, or of a kind made from these.
        retriever: Looks things up: in the calling thread, or beside the loop for an asynchronous client.
        report: Called with what was added to each chat completion or response, or why nothing was, before
            the request is sent.
        seen: Remembers images, as for `add_knowledge`.
        config: What the retriever was made from; tokens of knowledge are then counted as the model that a
            request names counts them. None leaves that to the retriever.

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
        counter = None if config is None else config.for_request(body.get("model")).counter
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
        del vars(wrapped)[name]  # the SDK's `chat` and its kin hold on to the client that made them
    wrapped.__class__ = type(f"Knowing{kind.__name__}", (kind,), {"post": method, _MARK: True})
    return wrapped


def is_wrapped(client: object) -> bool:
    """Whether a client adds knowledge already."""
    return getattr(type(client), _MARK, False) is True
