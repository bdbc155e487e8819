"""The endpoint and a scripted upstream, both on loopback, for the tests of `serve`."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import uvicorn
from aiohttp import web
from starlette.applications import Starlette

from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.world import COLOURS, png

RED = png(COLOURS["red"], shade=99)
GREEN = png(COLOURS["green"], shade=98)
YELLOW = png((255, 255, 0), shade=97)
"""No product of the tiny world."""

Behaviour = Callable[[web.Request], Awaitable[web.StreamResponse]]


def data_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def image_part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def asked(*parts: dict[str, Any], **more: object) -> dict[str, Any]:
    """A request body with one user message."""
    return {"model": "m", "messages": [{"role": "user", "content": list(parts)}], **more}


def completion(content: str | None = "B", **message: object) -> dict[str, Any]:
    """A reply as OpenAI words it."""
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content, **message},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
    }


def event(text: str) -> bytes:
    """One event of a streamed reply."""
    chunk = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@dataclass
class Upstream:
    """What the upstream was sent, and what it does next."""

    port: int = 0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    """Names in lower case."""
    behaviour: Behaviour | None = None
    """Instead of the reply `B`."""
    cancelled: threading.Event = field(default_factory=threading.Event)
    """Set when a client left `hang` before its end."""
    arrived: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def texts(self) -> list[str]:
        """The text parts of the last user message of the last body."""
        content = json.loads(self.bodies[-1])["messages"][-1]["content"]
        return [part["text"] for part in content if part["type"] == "text"]

    async def hang(self, _request: web.Request) -> web.StreamResponse:
        """Say nothing until the client is gone."""
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return web.Response()

    async def take(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.arrived.set()
        if self.behaviour is not None:
            return await self.behaviour(request)
        return web.json_response(completion())


@contextlib.contextmanager
def upstream_server() -> Iterator[Upstream]:
    """A scripted upstream while the block lasts."""
    upstream = Upstream()
    started, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def live() -> None:
        app = web.Application(client_max_size=2**28)
        app.router.add_route("*", "/v1/{path:.*}", upstream.take)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        upstream.port = runner.addresses[0][1]
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),), daemon=True)
    thread.start()
    assert started.wait(60)
    try:
        yield upstream
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(60)
        loop.close()


@contextlib.contextmanager
def app_server(app: Starlette) -> Iterator[str]:
    """An application on loopback while the block lasts; gives its base URL, without `/v1`."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="on", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)
        listener.close()


@contextlib.contextmanager
def endpoint(retriever: ClipRetriever, url: str, limits: Limits | None = None) -> Iterator[httpx.Client]:
    """The endpoint in front of an upstream while the block lasts, with a plain client for it."""
    limits = limits if limits is not None else Limits()
    with (
        app_server(make_app(retriever, Target(url, limits=limits), limits=limits)) as base,
        httpx.Client(base_url=base, timeout=60, trust_env=False) as client,
    ):
        yield client


def ask(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    """Send a chat completion."""
    return client.post("/v1/chat/completions", json=body)


LIMITS = Limits(body_bytes=200_000, image_bytes=20_000, image_pixels=10_000)


HASTY = Limits(timeout_s=0.2)
"""For the side that is silent in a test; the other one has all the time that it needs."""


QUESTION = asked(text_part("Is there a crack?"), image_part(data_url(RED)))


def sdk(base: str, key: str = "sk-client") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=60)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code; the shape is checked on the way."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return response.status_code, error["code"]


def metric(client: httpx.Client, name: str) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    return 0.0
