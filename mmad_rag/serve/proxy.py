"""Pass the upstream's answer on to the client as it arrives."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp
from starlette.types import Receive, Scope, Send

from mmad_rag.serve.augment import PREFIX
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics
from mmad_rag.serve.upstream import Upstream

TOKEN_HEADER = "x-mmad-rag-token"  # noqa: S105 - the header's name, not a secret
"""Header in which a client may send this server's token, to use `Authorization` for the upstream's key."""

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
"""Headers that describe one connection and are not forwarded (RFC 9110, section 7.6.1)."""
_OF_THE_REQUEST = frozenset({"host", "content-length", "accept-encoding", "expect", "cookie"})
_OF_THE_REPLY = frozenset({"content-length", "content-encoding", "date", "server"})


def to_upstream(headers: Iterable[tuple[str, str]], *, own_authorization: bool) -> Iterator[tuple[str, str]]:
    """The headers of a client's request that the upstream gets.

    Args:
        headers: Headers of the client, names in any case.
        own_authorization: Whether `Authorization` held this server's token, which is not forwarded.
    """
    yield from _travelling(headers, _OF_THE_REQUEST | ({"authorization"} if own_authorization else set()))


def to_client(headers: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """The headers of an upstream's answer that the client gets."""
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


_QUOTED = 200
_STREAM = "text/event-stream"
_EVENT = (b"data:", b"event:", b"id:", b"retry:", b":")
"""Beginnings of a stream of server-sent events."""
_BLANK = b" \t\r\n\xef\xbb\xbf"
"""White space and the mark of UTF-8, which may stand before the first word."""


@dataclass(frozen=True, slots=True)
class Forward:
    """A request to forward."""

    method: str
    """HTTP method, GET or POST."""
    path: str
    """Path below the upstream's base URL."""
    headers: Sequence[tuple[str, str]] = field(repr=False)
    """Headers as `to_upstream` returns them; may hold a key."""
    data: bytes = field(repr=False)
    """The body; may be empty."""
    report: Mapping[str, str]
    """Our own headers for the client, also on errors."""
    streamed: bool = False
    """Whether the client asks for a stream."""


class Relay:
    """A Starlette response that forwards a request and passes on the answer.

    If the client disconnects, the request to the upstream is cancelled. If the upstream breaks off a stream,
    the client's stream is broken off too: a clean end would make a partial answer look complete.
    """

    def __init__(self, forward: Forward, upstream: Upstream, limits: Limits, metrics: Metrics) -> None:
        self._forward = forward
        self._upstream = upstream
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask the upstream and pass its answer on, until the client disconnects."""
        work = asyncio.ensure_future(self._answer(scope, receive, send))
        gone = asyncio.ensure_future(_hung_up(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                self._metrics.count_disconnect()
        finally:
            gone.cancel()
            if not work.done():
                work.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
        if not work.cancelled():
            work.result()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        ask, start = self._forward, time.perf_counter()
        try:
            async with self._upstream.ask(ask.method, ask.path, ask.headers, ask.data) as reply:
                self._metrics.count_upstream(time.perf_counter() - start)
                await self._pass_on(reply, send)
        except RefusalError as refusal:
            refusal.headers.update(ask.report)
            await refusal.response()(scope, receive, send)

    async def _pass_on(self, reply: aiohttp.ClientResponse, send: Send) -> None:
        """Pass on a stream as it arrives, and anything else as a whole.

        Not every server calls its streams `text/event-stream`. So where the client asks for a stream, each
        successful answer with a body is one, whatever its media type, unless it begins like a web page.
        """
        if reply.content_type == _STREAM:
            await self._stream(reply, b"", send)
            return
        first = b""
        if self._forward.streamed and 200 <= reply.status < 300:
            first = await self._first(reply)
            if first and not first.lstrip(_BLANK).startswith(b"<"):
                await self._stream(reply, first, send)
                return
        await self._whole(reply, first, send)

    async def _whole(self, reply: aiohttp.ClientResponse, first: bytes, send: Send) -> None:
        data = await self._read(reply, first)
        if reply.status < 400:
            self._check(reply, data)
        await send(self._start(reply, [("content-length", str(len(data)))]))
        await send({"type": "http.response.body", "body": data})

    async def _first(self, reply: aiohttp.ClientResponse) -> bytes:
        """The beginning of the body, as it arrives; empty if there is no body."""
        try:
            return await reply.content.readany()
        except TimeoutError:
            raise self._upstream.silent() from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._bad(reply, f"half a reply ({type(error).__name__})") from None

    async def _read(self, reply: aiohttp.ClientResponse, first: bytes) -> bytes:
        chunks = [first]
        size = len(first)
        try:
            async for chunk in reply.content.iter_any():
                size += len(chunk)
                if size > self._limits.reply_bytes:
                    raise self._bad(reply, f"more than {self._limits.reply_bytes:,} bytes")
                chunks.append(chunk)
        except TimeoutError:
            raise self._upstream.silent() from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._bad(reply, f"half a reply ({type(error).__name__})") from None
        return b"".join(chunks)

    def _check(self, reply: aiohttp.ClientResponse, data: bytes) -> None:
        """Refuse a successful answer that is not JSON: clients would take a web page for a reply."""
        if 300 <= reply.status < 400:
            place = reply.headers.get("location", "nowhere").partition("?")[0]
            raise self._bad(reply, f"a redirect to {place!r}; give the final address to --upstream")
        try:
            json.loads(data)
        except (ValueError, RecursionError):
            quoted = " ".join(data[:_QUOTED].decode("utf-8", "replace").split())
            raise self._bad(reply, f"{reply.content_type} instead of JSON, beginning {quoted!r}") from None

    async def _stream(self, reply: aiohttp.ClientResponse, first: bytes, send: Send) -> None:
        await send(self._start(reply, [("cache-control", "no-cache"), ("x-accel-buffering", "no")]))
        events = reply.content_type == _STREAM or first.lstrip(_BLANK).startswith(_EVENT)
        try:
            if first:
                await send({"type": "http.response.body", "body": first, "more_body": True})
            async for chunk in reply.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except TimeoutError:
            error = self._upstream.silent().body()
            told = b"data: " + error + b"\n\n" if events else b"\n" + error + b"\n"
            await send({"type": "http.response.body", "body": told, "more_body": True})
            return  # the body stays incomplete, so that the server closes the connection
        except (aiohttp.ClientError, OSError):
            return
        await send({"type": "http.response.body", "body": b""})

    def _start(self, reply: aiohttp.ClientResponse, more: Sequence[tuple[str, str]]) -> dict[str, object]:
        passed = to_client((name, value) for name, value in reply.headers.items())
        ours = [*more, *self._forward.report.items()]
        named = {name for name, _ in ours}
        headers = [*(pair for pair in passed if pair[0] not in named), *ours]
        raw = [(name.encode("latin-1"), value.encode("utf-8", "surrogateescape")) for name, value in headers]
        return {"type": "http.response.start", "status": reply.status, "headers": raw}

    def _bad(self, reply: aiohttp.ClientResponse, what: str) -> RefusalError:
        return RefusalError(
            502,
            f"the upstream {self._upstream.place} answered {reply.status} with {what}; check --upstream",
            code="upstream_bad_reply",
        )


async def _hung_up(receive: Receive) -> None:
    """Wait until the client disconnects; its body has been read before."""
    while (await receive())["type"] != "http.disconnect":
        pass
