"""A loopback server that speaks OpenAI's chat completions as a test tells it to."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b""
    media_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False
    """Send nothing until the server stops."""
    drops: bool = False
    """Close the connection without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """What the server was sent."""

    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: dict[str, Any]
    client_port: int = 0
    """Equal for requests that came over the same connection."""

    def texts(self) -> tuple[str, ...]:
        """The text parts of the user's turn, in order."""
        return tuple(part["text"] for part in self._content() if part["type"] == "text")

    def image_urls(self) -> tuple[str, ...]:
        """The image parts of the user's turn, in order."""
        return tuple(part["image_url"]["url"] for part in self._content() if part["type"] == "image_url")

    def _content(self) -> list[dict[str, Any]]:
        content: list[dict[str, Any]] = self.body["messages"][-1]["content"]
        return content


def json_body(value: object, *, status: int = 200) -> Behaviour:
    """Any JSON document."""
    return Behaviour(status, json.dumps(value).encode())


def replies(
    content: object, *, model: str = "served-model", tokens: tuple[int, int] | None = (100, 1)
) -> Behaviour:
    """A chat completion with this content, which may be any JSON value."""
    message = {"role": "assistant", "content": content}
    body: dict[str, object] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
    }
    if tokens is not None:
        prompt, completion = tokens
        body["usage"] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }
    return json_body(body)


def fails(
    status: int,
    message: str = "no luck",
    *,
    code: str | None = None,
    param: str | None = None,
    retry_after: str | None = None,
) -> Behaviour:
    """An error in OpenAI's shape."""
    body = json.dumps({"error": {"message": message, "type": "test", "param": param, "code": code}}).encode()
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Behaviour(status, body, headers=headers)


def html(status: int = 200) -> Behaviour:
    """What a web server that is not an API answers."""
    return Behaviour(status, b"<!doctype html><title>Welcome</title>", media_type="text/html")


def hangs() -> Behaviour:
    """No answer while the server lives."""
    return Behaviour(hangs=True)


def drops() -> Behaviour:
    """A connection that is closed without an answer."""
    return Behaviour(drops=True)


class OpenAIServer:
    """Listens on 127.0.0.1 while its `with` block lasts.

    Each request takes the next behaviour of `script`; when those are used up, `default` answers: a
    behaviour, or a function of the request.
    """

    def __init__(self) -> None:
        self.default: Behaviour | Callable[[Request], Behaviour] = replies("A")
        self.requests: list[Request] = []
        """Everything that was asked, in the order of arrival."""
        self._script: list[Behaviour] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._http = _Http(("127.0.0.1", 0), _handler_for(self))
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL, to give as `base_url` or `OPENAI_BASE_URL`."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def script(self, *behaviours: Behaviour) -> None:
        """What to do with the next requests, one each."""
        with self._lock:
            self._script.extend(behaviours)

    def __enter__(self) -> OpenAIServer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(timeout=5)

    def take(self, request: Request) -> Behaviour:
        """Record a request and find what to do with it; for the handler."""
        with self._lock:
            self.requests.append(request)
            if self._script:
                return self._script.pop(0)
        return self.default(request) if callable(self.default) else self.default

    def wait_for_the_end(self) -> None:
        """Return when the server stops; for the handler."""
        self._stopping.wait(timeout=30)


class _Http(ThreadingHTTPServer):
    # Neither a hanging answer nor an open keep-alive connection may hold up the end of a test.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up early is the subject of some tests; anything else is a mistake in them."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as the base class has it


def _handler_for(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = int(self.headers.get("content-length", 0))
            content = self.rfile.read(length)
            if len(content) < length:
                raise ConnectionAbortedError("the client hung up in the middle of its request")
            headers = {name.lower(): value for name, value in self.headers.items()}
            behaviour = server.take(Request(self.path, headers, json.loads(content), self.client_address[1]))
            if behaviour.hangs:
                server.wait_for_the_end()
            if behaviour.hangs or behaviour.drops:
                self.close_connection = True
                return
            self.send_response(behaviour.status)
            self.send_header("Content-Type", behaviour.media_type)
            self.send_header("Content-Length", str(len(behaviour.body)))
            for name, value in behaviour.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(behaviour.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Print nothing."""

    return Handler


@pytest.fixture
def openai_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenAIServer]:
    """A running server, reached directly even where the surroundings name a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with OpenAIServer() as server:
        yield server
