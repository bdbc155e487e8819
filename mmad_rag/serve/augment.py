"""Add knowledge to the body of a request, and report it in headers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from mmad_rag.rag.augment import Hindrance, find_consultation, with_knowledge
from mmad_rag.records import Json, Knowledge, RouteOutcome
from mmad_rag.serve.body import encode, parse_body
from mmad_rag.serve.fetch import ImageFetcher
from mmad_rag.serve.retrieval_pool import Lookup

PREFIX = "x-mmad-rag-"
"""Prefix of the names of our headers."""

_LONGEST_HEADER = 4000
"""Longest header in bytes; many intermediate servers accept 8 kB for all headers together."""
_OUTCOMES = {
    RouteOutcome.PRODUCT: "product",
    RouteOutcome.NEAR_TIE: "near-tie",
    RouteOutcome.UNKNOWN: "not-in-the-catalogue",
}
_UNTOUCHED = {
    Hindrance.NO_IMAGE: "no-picture",
    Hindrance.ALREADY_THERE: "already-there",
    Hindrance.PROVIDER_FILE: "picture-elsewhere",
    Hindrance.ELSEWHERE: "picture-elsewhere",
    Hindrance.UNREAD_TYPE: "picture-unreadable",
}


@dataclass(frozen=True, slots=True)
class Augmented:
    """A body to forward, with a report of what was added."""

    data: bytes
    """The body as JSON; the client's own bytes if nothing was added."""
    outcome: str
    """One of `product`, `near-tie`, `not-in-the-catalogue`, `no-picture`, `picture-elsewhere`,
    `picture-unreadable` and `already-there`."""
    products: tuple[str, ...] = ()
    """The products whose knowledge was added."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers for the response, ASCII only."""
    streamed: bool = False
    """Whether the client asks for a stream."""


class Augmenter:
    """Adds knowledge before the image that a conversation is about.

    Args:
        lookup: Looks up knowledge.
        fetcher: Fetches images that are given by address, from allowed hosts.
    """

    def __init__(self, lookup: Lookup, fetcher: ImageFetcher) -> None:
        self._lookup = lookup
        self._fetcher = fetcher

    async def augment(self, data: bytes) -> Augmented:
        """The body with knowledge, or unchanged if there is none to add.

        Raises:
            RefusalError: the body is not JSON, or its image cannot be used.
        """
        body = parse_body(data)
        if body is None:
            return _untouched(data, _UNTOUCHED[Hindrance.NO_IMAGE])
        return replace(await self._augment(data, body), streamed=bool(body.get("stream")))

    async def _augment(self, data: bytes, body: Json) -> Augmented:
        messages = body.get("messages")
        if not isinstance(messages, list):
            return _untouched(data, _UNTOUCHED[Hindrance.NO_IMAGE])
        found = find_consultation(messages, "text")
        asked = found.query
        if asked is None:
            return _untouched(data, _UNTOUCHED[Hindrance.NO_IMAGE])
        source: str | bytes = asked.url
        if found.hindrance is Hindrance.ELSEWHERE and self._fetcher.allows(asked.url):
            source = await self._fetcher.fetch(asked.url)
        elif found.hindrance is not None:
            return _untouched(data, _UNTOUCHED[found.hindrance])
        result = await self._lookup.find(source, asked.question, model=body.get("model"))
        knowledge = result.knowledge
        if knowledge.hits:
            url = result.url if result.url is not None else asked.url
            changed = with_knowledge(messages, asked, knowledge, url=url)
            data = encode({**body, "messages": changed}, message=asked.position, url=url)
        return Augmented(
            data, _OUTCOMES[knowledge.route.outcome], knowledge.route.products, report_headers(knowledge)
        )


def report_headers(knowledge: Knowledge) -> dict[str, str]:
    """The response's headers that report what was added; names outside ASCII are percent-encoded."""
    route = knowledge.route
    headers = {
        f"{PREFIX}outcome": _OUTCOMES[route.outcome],
        f"{PREFIX}confidence": f"{route.confidence:.4f}",
        f"{PREFIX}known": f"{route.known:.4f}",
    }
    if route.products:
        headers[f"{PREFIX}product"] = ",".join(quote(product) for product in route.products)
    if knowledge.hits:
        headers[f"{PREFIX}passages"] = _listed([quote(hit.passage.id) for hit in knowledge.hits])
    return headers


def _listed(ids: list[str]) -> str:
    """The ids that fit into a header, joined by commas; `+N` counts those that are left out."""
    text = ",".join(ids)
    shown = len(ids)
    while len(text) > _LONGEST_HEADER:
        shown -= 1
        text = ",".join([*ids[:shown], f"+{len(ids) - shown}"])
    return text


def _untouched(data: bytes, outcome: str) -> Augmented:
    return Augmented(data, outcome, headers={f"{PREFIX}outcome": outcome})
