"""Which headers travel between client and upstream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmad_rag.serve.augment import PREFIX

TOKEN_HEADER = "x-mmad-rag-token"  # noqa: S105 - the header's name, no secret
"""Where a client may put this server's token, so that `Authorization` is free for the upstream's key."""

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""RFC 9110, section 7.6.1: they describe one connection."""
_OF_THE_REQUEST = frozenset({"host", "content-length", "accept-encoding", "expect", "cookie"})
_OF_THE_REPLY = frozenset({"content-length", "content-encoding", "date", "server"})


def to_upstream(headers: Iterable[tuple[str, str]], *, own_authorization: bool) -> Iterator[tuple[str, str]]:
    """A client's headers as the upstream gets them.

    Args:
        headers: Names in any case.
        own_authorization: `Authorization` held this server's token, which is nobody else's business.
    """
    yield from _travelling(headers, _OF_THE_REQUEST | ({"authorization"} if own_authorization else set()))


def to_client(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """An upstream's headers as the client gets them."""
    yield from _travelling(headers, _OF_THE_REPLY)


def _travelling(headers: Iterable[tuple[str, str]], dropped: frozenset[str]) -> Iterator[tuple[str, str]]:
    pairs = [(name.lower(), value) for name, value in headers]
    named = {
        word.strip().lower() for name, value in pairs if name == "connection" for word in value.split(",")
    }
    staying = _HOP_BY_HOP | dropped | named
    for name, value in pairs:
        if name not in staying and not name.startswith(PREFIX):
            yield name, value
