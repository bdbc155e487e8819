"""Guard connections before the application sees a request: their number, the size of heads, the time."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.limits import Limits

_GRACE_S = 5.0
"""Seconds beyond `timeout_s` after which a body that is still arriving ends its connection; the application
answers 408 at `timeout_s`."""
_PER_BYTE = 16
"""Largest number of bytes of chunk sizes per byte of a body; a body in chunks of one byte has five."""
_LINGER_S = 1.0
_LINGERING = 64
"""Number of connections beyond the limit that are closed slowly, so that their clients get the reason."""
_REASONS = {408: b"Request Timeout", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on what a client may do before it has sent a token.

    uvicorn itself limits neither the size of a request's head nor the time that it takes to arrive, and its
    `limit_concurrency` counts silent connections but never closes them. Here a connection beyond
    `Limits.connections` is answered with 503, a head of more than `Limits.head_bytes` with 431, and one that
    takes longer than `Limits.head_s` with 408; each time the connection is closed.

    Args:
        limits: The limits.
        settings: What uvicorn gives to its protocol.
    """

    def __init__(self, limits: Limits, **settings: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**settings)
        self._limits = limits
        self._timer: asyncio.TimerHandle | None = None
        self._refused = False
        self._in_body = False
        self._head = 0
        self._received = 0
        self._given = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Refuse the connection if there are too many, else wait for a request's head."""
        super().connection_made(transport)
        if len(self.connections) > self._limits.connections:
            self._refuse(
                503,
                f"{self._limits.connections} connections are open already; ask again in a moment",
                "overloaded",
            )
            return
        self._arm(self._limits.head_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._arm(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, and refuse it if it exceeds a limit."""
        if self._refused or self.transport.is_closing():
            return
        if not self._in_body and self._timer is None:
            self._arm(self._limits.head_s)
        self._received += len(data)
        super().data_received(data)
        if self._refused or self.transport.is_closing():
            return
        if not self._in_body and self._received > self._limits.head_bytes:
            self._refuse_head()
        elif self._in_body and self._received > self._limits.head_bytes + _PER_BYTE * self._given:
            self._refuse_head()  # of chunk sizes or fields behind the body

    def send_400_response(self, msg: str) -> None:
        """Answer a request that cannot be parsed, unless it was refused while it was parsed."""
        if not self._refused:
            super().send_400_response(msg)

    def on_url(self, url: bytes) -> None:
        """Count a part of the request's line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field of the head, or of what stands behind the body."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the request; its body has a time limit too."""
        self._in_body, self._received, self._given = True, max(0, self._received - self._head), 0
        self._arm(self._limits.timeout_s + _GRACE_S)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._given += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the answer, without a limit, and then for another request."""
        self._in_body, self._received, self._head = False, 0, 0
        self._arm(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Give a client that was answered before its body ended little time to send the rest."""
        early = self._in_body and not self.pipeline
        super().on_response_complete()
        if early and not self.transport.is_closing():
            self._arm(self._limits.head_s)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self._limits.head_bytes:
            self._refuse_head()
            raise httptools.HttpParserError("the head is too large")  # ends the parsing

    def _refuse_head(self) -> None:
        self._refuse(
            431,
            f"the request's headers are larger than {self._limits.head_bytes:,} bytes; send fewer",
            "headers_too_large",
        )

    def _arm(self, seconds: float | None) -> None:
        """Set the time until which the connection's present step must end; None sets no limit."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        self._timer = None
        if self.transport.is_closing():
            return
        if self.pipeline:  # reading is paused until the request before it is answered
            self._arm(self._limits.timeout_s)
        elif self._in_body:
            self.transport.abort()
        else:
            self._refuse(
                408,
                f"the request did not arrive within {self._limits.head_s:g} s; send it again",
                "head_timeout",
            )

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer with an error, unless an answer is under way, and close the connection.

        What a client still sends is discarded for a second: a connection that is closed with unread bytes is
        reset, and the client may not get the answer.
        """
        self._refused = True
        self._arm(None)
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
            return
        body = RefusalError(status, message, code=code).body()
        head = f"content-type: application/json\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        line = b"HTTP/1.1 %d %s\r\n" % (status, _REASONS[status])
        self.transport.write(line + head.encode("ascii") + body)
        if len(self.connections) > self._limits.connections + _LINGERING:
            self.transport.close()
            return
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.abort)


def guarded(limits: Limits) -> Any:  # noqa: ANN401 - uvicorn calls it as it would call a class
    """What makes a connection's protocol, for uvicorn's option `http`."""
    return partial(GuardedProtocol, limits)
