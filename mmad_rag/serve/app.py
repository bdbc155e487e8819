"""The endpoint as an ASGI application."""

from __future__ import annotations

import time
import unicodedata
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.config import RequestCounters
from mmad_rag.serve.augment import Augmenter
from mmad_rag.serve.body import check_json_type, read_body
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.fetch import ImageFetcher
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import MEDIA_TYPE, Metrics
from mmad_rag.serve.middleware import Gate
from mmad_rag.serve.proxy import Forward, Relay, to_upstream
from mmad_rag.serve.retrieval_pool import Lookup
from mmad_rag.serve.token import Token
from mmad_rag.serve.upstream import Upstream

CHAT = "/v1/chat/completions"
"""Path of the requests to which knowledge is added."""

_LONGEST_NAME = 500
"""Longest name of a model in characters."""
_MARKS = frozenset("/-_.:@+=~, ()")
_PATHS = frozenset({CHAT, "/v1/models", "/healthz", "/metrics"})
_KNOWN = "POST /v1/chat/completions, GET /v1/models, /healthz and /metrics"


def make_app(
    retriever: ClipRetriever,
    upstream: Upstream,
    *,
    token: Token | None = None,
    image_hosts: Collection[str] = (),
    limits: Limits | None = None,
    counters: RequestCounters | None = None,
) -> Starlette:
    """The ASGI application; it needs a server that supports ASGI's lifespan, as uvicorn does.

    Args:
        retriever: The retriever that looks up knowledge.
        upstream: The endpoint that requests are forwarded to.
        token: The token that clients must send; without one only clients that address this machine as
            loopback are served.
        image_hosts: Hosts that images may be fetched from, see `ImageFetcher`.
        limits: Limits on sizes, counts and times.
        counters: Find the counter of the model that a request names, by which its knowledge is then counted;
            None uses the retriever's counter.
    """
    limits = limits if limits is not None else Limits()
    metrics = Metrics()
    lookup = Lookup(retriever, limits, metrics, counters=counters)
    handlers = _Handlers(Augmenter(lookup, ImageFetcher(image_hosts, limits)), upstream, limits, metrics)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await upstream.open()
        try:
            yield
        finally:
            await upstream.close()
            lookup.close()

    app = Starlette(
        routes=[
            Route(CHAT, handlers.chat, methods=["POST"]),
            Route("/v1/models", handlers.models, methods=["GET"]),
            Route("/v1/models/{name:path}", handlers.models, methods=["GET"]),
            Route("/healthz", handlers.health, methods=["GET"]),
            Route("/metrics", handlers.show_metrics, methods=["GET"]),
        ],
        middleware=[Middleware(Gate, token=token, limits=limits, metrics=metrics, paths=_PATHS)],
        exception_handlers={RefusalError: _refuse, HTTPException: _refuse_http},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a path with a slash more is another path
    return app


class _Handlers:
    """The handlers of the paths."""

    def __init__(self, augmenter: Augmenter, upstream: Upstream, limits: Limits, metrics: Metrics) -> None:
        self._augmenter = augmenter
        self._upstream = upstream
        self._limits = limits
        self._metrics = metrics

    async def chat(self, request: Request) -> Response:
        """Add knowledge to a chat completion and forward it."""
        check_json_type(request)
        data = await read_body(request, self._limits)
        start = time.perf_counter()
        added = await self._augmenter.augment(data)
        spent = time.perf_counter() - start
        self._metrics.count_knowledge(added.outcome, added.products, spent)
        names = f" {','.join(added.products)}" if added.products else ""
        request.scope["mmad_rag.added"] = f" {added.outcome}{names} lookup {spent * 1000:.1f} ms"
        return self._forward(request, "/chat/completions", added.data, added.headers, streamed=added.streamed)

    async def models(self, request: Request) -> Response:
        """Forward a request for the upstream's models."""
        path = _models_path(request)
        await read_body(request, self._limits)
        return self._forward(request, path, b"", {}, streamed=False)

    async def health(self, _request: Request) -> Response:
        """Say that this server is running; the upstream is not checked."""
        return JSONResponse({"status": "ok"})

    async def show_metrics(self, _request: Request) -> Response:
        """Give counts and times as Prometheus text."""
        return Response(self._metrics.text(), media_type=MEDIA_TYPE)

    def _forward(
        self, request: Request, path: str, data: bytes, report: Mapping[str, str], *, streamed: bool
    ) -> Response:
        own = bool(request.scope.get("mmad_rag.own_authorization"))
        headers = list(to_upstream(request.headers.items(), own_authorization=own))
        forward = Forward(request.method, path, headers, data, report, streamed)
        return Relay(forward, self._upstream, self._limits, self._metrics)  # type: ignore[return-value]


def _models_path(request: Request) -> str:
    """The upstream's path for a request for models: a model's name becomes one quoted segment of it.

    Raises:
        HTTPException: 405 for another method than GET; 404 if the name is not one that a model can have.
    """
    if request.method != "GET":  # Starlette adds HEAD to GET
        raise HTTPException(405, headers={"Allow": "GET"})
    name = request.path_params.get("name")
    if name is None:
        return "/models"
    if not _is_name(name):
        raise HTTPException(404)
    return f"/models/{quote(name, safe='')}"


def _is_name(name: str) -> bool:
    """Whether a model can have this name: letters, digits and a few marks, in parts that are not dots.

    An upstream may unquote the name once more, or normalize it, and must not get to another path by that. So
    `%`, `\\`, `;`, `?`, `#`, control characters, empty parts, and characters that stand for others are
    refused.
    """
    return (
        len(name) <= _LONGEST_NAME
        and unicodedata.normalize("NFKC", name) == name
        and all(char.isalnum() or char in _MARKS for char in name)
        and all(part.strip(". ") for part in name.split("/"))
    )


async def _refuse(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)  # noqa: S101 - Starlette calls this for refusals only
    return error.response()


async def _refuse_http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    found = "there is nothing at this path" if error.status_code == 404 else error.detail
    message = f"{found}; this server has {_KNOWN}"
    code = "method_not_allowed" if error.status_code == 405 else "not_found"
    return RefusalError(error.status_code, message, code=code, headers=error.headers).response()
