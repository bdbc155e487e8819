"""Check the token, the host name and the number of requests before the application sees a request."""

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
"""Path that needs no token, because its answer reveals nothing."""

log = logging.getLogger("mmad_rag.serve")
"""Logs one line per request: method, path, status, time and outcome, but never headers, queries or bodies."""


class Gate:
    """ASGI middleware around the whole application, which refuses, counts and logs requests.

    Args:
        app: The application to protect.
        token: The token that a client must send; None admits every client that addresses this machine as
            loopback.
        limits: Limits on the number of requests at a time.
        metrics: Counts the requests.
        paths: Known paths; all others are counted under one label.
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
                raise  # a part of the answer has been sent: the server closes the connection
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
    """The refusal for an internal error: the log has the details, the client gets none."""
    return RefusalError(500, "the server failed; its log says why", code="server_failed")


def _check_host(headers: Headers) -> None:
    """Refuse a request, on a server without a token, whose `Host` header is not a loopback name.

    A web page whose host name resolves to this machine could otherwise send requests (DNS rebinding).
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
