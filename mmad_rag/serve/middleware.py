"""Who may enter, and how many at a time."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.fetch import is_loopback
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics
from mmad_rag.serve.proxy import TOKEN_HEADER
from mmad_rag.serve.token import Token

_OPEN = "/healthz"
"""Answered to everyone: it says nothing."""

log = logging.getLogger("mmad_rag.serve")
"""One line per request: method, path, status, time, what was added. Never headers, queries or bodies."""


class Gate:
    """ASGI middleware around the whole application: refuses, counts, logs.

    Args:
        app: What lies behind.
        token: What a client must show; None lets in everyone who names this machine as loopback.
        limits: How many at a time.
        metrics: Where requests are counted.
        paths: Known paths; all others are counted as one.
    """

    def __init__(
        self, app: ASGIApp, *, token: Token | None, limits: Limits, metrics: Metrics, paths: frozenset[str]
    ) -> None:
        self._app = app
        self._token = token
        self._limits = limits
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._metrics.in_flight += 1
        try:
            self._check(scope)
            await self._app(scope, receive, watched)
        except RefusalError as refusal:
            await refusal.response()(scope, receive, watched)
        except ClientDisconnect:
            self._metrics.count_disconnect()
        except Exception:
            log.exception("%s failed", scope["path"])
            if status:
                raise  # half an answer is out: the server closes the connection
            await _failure().response()(scope, receive, watched)
        finally:
            self._metrics.in_flight -= 1
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.count_request(path, status)
            if path != _OPEN:
                added = scope.get("mmad_rag.added", "")
                spent = (time.perf_counter() - start) * 1000
                log.info("%s %s %d %.0f ms%s", scope["method"], path, status, spent, added)

    def _check(self, scope: Scope) -> None:
        if scope["path"] == _OPEN:
            return
        headers = Headers(scope=scope)
        if self._token is None:
            _check_host(headers)
        elif not self._token.matches(headers.get(TOKEN_HEADER, "")):
            if not self._token.matches_bearer(headers.get("authorization", "")):
                raise RefusalError(
                    401,
                    "this server demands its token; send it as `Authorization: Bearer ...`, "
                    f"or as `{TOKEN_HEADER}` where Authorization holds the upstream's key",
                    code="invalid_token",
                    headers={"WWW-Authenticate": "Bearer"},
                )
            scope["mmad_rag.own_authorization"] = True
        if self._metrics.in_flight > self._limits.in_flight:
            raise RefusalError(
                503,
                f"{self._limits.in_flight} requests are being answered already; ask again in a moment",
                code="overloaded",
                headers={"Retry-After": "1"},
            )


def _failure() -> RefusalError:
    """A mistake of ours or of the index: the log has the details, the client gets none."""
    return RefusalError(500, "the server failed; its log says why", code="server_failed")


def _check_host(headers: Headers) -> None:
    """Without a token the name must be this machine's own.

    A web page whose name was made to point here could otherwise ask as if it stood on this machine.
    """
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if not is_loopback(name):
        raise RefusalError(
            403,
            f"this server has no token, so it answers to localhost only, not to {host[:100]!r}; "
            "use http://127.0.0.1, or start it with a token",
            code="foreign_host",
        )
