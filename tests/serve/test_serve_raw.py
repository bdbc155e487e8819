"""The endpoint met by raw sockets: odd paths, slow and large heads, many connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.connections import guarded
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.token import Token
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.servers.serving import Upstream, completion, upstream_server

pytestmark = pytest.mark.slow

TOKEN = "sixteen-characters-at-least"  # noqa: S105 - of a test


class Served:
    """The guarded endpoint in front of an upstream that records the paths it is asked for."""

    def __init__(self, port: int, upstream: Upstream) -> None:
        self.port = port
        self.upstream = upstream
        self.paths: list[str] = []

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def send(self, data: bytes) -> bytes:
        """Everything that is answered to these bytes."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(data)
            return read_all(connection)

    def get(self, target: bytes, method: bytes = b"GET") -> int:
        """The status for a request with this target, as it is."""
        reply = self.send(
            method + b" " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        return status(reply)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1]) if reply.startswith(b"HTTP/1.") else 0


def error_of(reply: bytes) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(reply.partition(b"\r\n\r\n")[2])["error"]
    return error


@contextlib.contextmanager
def served(
    index: KnowledgeIndex, encoder: Encoder, limits: Limits, token: Token | None = None
) -> Iterator[Served]:
    with upstream_server() as upstream, socket.create_server(("127.0.0.1", 0)) as listener:
        found = Served(listener.getsockname()[1], upstream)

        async def note(request: web.Request) -> web.StreamResponse:
            found.paths.append(request.raw_path)
            return web.json_response(completion())

        upstream.behaviour = note
        target = Target(upstream.url, key="of-the-operator", limits=limits)
        app = make_app(ClipRetriever(index, encoder=encoder), target, token=token, limits=limits)
        config = uvicorn.Config(
            app, http=guarded(limits), ws="none", log_level="critical", timeout_graceful_shutdown=1
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.should_exit = True
            thread.join(60)


@pytest.fixture(scope="module")
def plain(index: KnowledgeIndex, encoder: Encoder) -> Iterator[Served]:
    with served(index, encoder, Limits()) as found:
        yield found


# -------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "name",
    [
        b"..%2f..%2fadmin",
        b"..%2F..",
        b"%2e%2e/%2e%2e/admin",
        b"%2e%2e%2fadmin",
        b"../admin",
        b"./admin",
        b".",
        b"..",
        b"...",
        b"a/../../admin",
        b"a/./b",
        b"a//b",
        b"/admin",
        b"",
        b"a/",
        b"%252e%252e%252fadmin",
        b"..%252fadmin",
        b"..%25252fadmin",
        b"..%5cadmin",
        b"..\\admin",
        b"a%5c..%5cadmin",
        b"..;/admin",
        b"a;b=c",
        b"a%3bb",
        b"a%00b",
        b"a%0ab",
        b"a%0d%0aX-Key:1",
        b"a%3fquery",
        b"a%23part",
        b"a%25",
        b"a%zz",
        b"a%",
        b"%c0%ae%c0%ae%c0%afadmin",
        b"%ef%bc%8e%ef%bc%8e%ef%bc%8fadmin",  # full-width dots and slash
        b"%e2%80%a4%e2%80%a4/admin",  # one-dot leaders
        b"%e2%84%80",  # one character that stands for `a/c`
        b"%u002e%u002e%u2215admin",
        b"..%c0%af",
        b"%ff",
        b"a" * 600,
    ],
)
def test_no_name_of_a_model_leads_to_another_path(plain: Served, name: bytes) -> None:
    before = len(plain.paths)
    assert plain.get(b"/v1/models/" + name) in (400, 404)
    assert plain.paths[before:] == []


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (b"gpt-4o", "gpt-4o"),
        (b"org/model", "org%2Fmodel"),
        (b"org%2Fmodel", "org%2Fmodel"),
        (b"qwen2.5vl:7b", "qwen2.5vl%3A7b"),
        (b"ft:gpt-4o:org::id", "ft%3Agpt-4o%3Aorg%3A%3Aid"),
        (b"a%20b", "a%20b"),
        (b"%e6%a8%a1%e5%9e%8b", "%E6%A8%A1%E5%9E%8B"),
        (b"gpt-4o?limit=1&x=../..", "gpt-4o"),
        (b"gpt-4o#part", "gpt-4o"),
    ],
)
def test_a_models_name_is_one_quoted_segment(plain: Served, name: bytes, sent: str) -> None:
    before = len(plain.paths)
    assert plain.get(b"/v1/models/" + name) == 200
    assert plain.paths[before:] == [f"/v1/models/{sent}"]


PARTS = [b"..", b".", b"/", b"%2f", b"%2e", b"%5c", b"%25", b"a", b";", b"\xc2\xad", b"%00"]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from([b"..", b".", b"/", b"%2f", b"%2e", b"%5c", b"%25", b"a", b";", b"\xc2\xad", b"%00"])
    )
)
def test_whatever_is_asked_for_the_upstream_sees_one_segment(plain: Served, parts: list[bytes]) -> None:
    before = len(plain.paths)
    plain.get(b"/v1/models/" + b"".join(parts))
    for path in plain.paths[before:]:
        assert path.startswith("/v1/models/")
        assert "/" not in path.removeprefix("/v1/models/")
        assert path.removeprefix("/v1/models/").replace("%2F", "").strip(".")


@pytest.mark.parametrize(
    ("method", "target"),
    [
        (b"GET", b"/v1/chat/completions/..%2f..%2fadmin"),
        (b"GET", b"/v1/files"),
        (b"GET", b"/v1/models/../files"),
        (b"GET", b"/v1/./models"),
        (b"GET", b"//v1/models"),
        (b"GET", b"/v1//models"),
        (b"GET", b"/V1/models"),
        (b"GET", b"/v1/models/"),
        (b"GET", b"/v1%2fmodels%2f..%2ffiles"),
        (b"DELETE", b"/v1/models/gpt-4o"),
        (b"POST", b"/v1/models/gpt-4o"),
        (b"PUT", b"/v1/models"),
        (b"PATCH", b"/v1/models/gpt-4o"),
        (b"HEAD", b"/v1/models"),
        (b"HEAD", b"/v1/models/gpt-4o"),
        (b"OPTIONS", b"*"),
        (b"OPTIONS", b"/v1/models"),
        (b"CONNECT", b"example.org:443"),
        (b"TRACE", b"/v1/models"),
        (b"GET", b"/v1/chat/completions"),
        (b"POST", b"/v1/chat/completions/"),
        (b"POST", b"/v1/embeddings"),
    ],
)
def test_nothing_else_is_forwarded(plain: Served, method: bytes, target: bytes) -> None:
    before = len(plain.paths)
    assert plain.get(target, method) in (400, 404, 405)
    assert plain.paths[before:] == []


def test_a_whole_address_as_target_leads_to_the_same_upstream(plain: Served) -> None:
    before = len(plain.paths)
    assert plain.get(b"http://elsewhere.invalid/v1/models") == 200
    assert plain.paths[before:] == ["/v1/models"]


def test_an_upgrade_is_answered_as_an_ordinary_request(plain: Served) -> None:
    reply = plain.send(
        b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert status(reply) != 101


# ------------------------------------------------------------------------- before a token has been read


SMALL = Limits(head_bytes=2_000, head_s=0.6, connections=4, timeout_s=5.0)


@pytest.fixture
def guarded_server(index: KnowledgeIndex, encoder: Encoder) -> Iterator[Served]:
    with served(index, encoder, SMALL, Token(TOKEN)) as found:
        yield found


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Large: " + b"x" * 3_000,
        b"GET /v1/models HTTP/1.1\r\n" + b"X: y\r\n" * 700,
        b"GET /v1/models HTTP/1.1\r\n" + b"X-%d: y\r\n" * 400 + b"\r\n",
        b"GET /v1/models HTTP/1.1\r\nX-Large: " + b"x" * 3_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 3_000,
        b"GET /" + b"x" * 3_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /?" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"G" + b"\r\n" * 2_000,
        b"\r\n" * 2_000,
    ],
)
def test_a_large_head_is_refused(guarded_server: Served, head: bytes) -> None:
    reply = guarded_server.send(head)
    assert status(reply) in (400, 431)
    if status(reply) == 431:
        assert error_of(reply)["code"] == "headers_too_large"
    assert alive(guarded_server)


def test_the_default_takes_heads_of_64_kb(plain: Served) -> None:
    for size, expected in ((60_000, 200), (70_000, 431)):
        head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Large: %s\r\n\r\n"
        assert status(plain.send(head % (b"x" * size))) == expected


def test_a_large_end_of_a_body_is_refused(guarded_server: Served) -> None:
    """Chunked bodies may carry fields behind them, and words beside the size of each chunk."""
    head = (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" % TOKEN.encode()
    )
    for tail in (b"2\r\n{}\r\n0\r\nX-Large: " + b"x" * 90_000, b"2;" + b"x" * 90_000):
        started = time.monotonic()
        guarded_server.send(head + tail)
        assert time.monotonic() - started < SMALL.timeout_s
    assert alive(guarded_server)


@pytest.mark.parametrize(
    "first", [b"", b"G", b"GET /v1/models HTTP/1.1\r\n", b"GET /v1/models HTTP/1.1\r\nX: "]
)
def test_a_slow_head_is_refused(guarded_server: Served, first: bytes) -> None:
    """Also where a byte comes now and then."""
    started = time.monotonic()
    with guarded_server.connect() as connection:
        connection.sendall(first)
        connection.settimeout(0.1)
        reply = b""
        while time.monotonic() - started < 20:
            with contextlib.suppress(TimeoutError, ConnectionError):
                part = connection.recv(4096)
                if not part:
                    break
                reply += part
            with contextlib.suppress(OSError):
                connection.sendall(b"y" if first else b"")
    assert time.monotonic() - started < 10
    assert status(reply) in (400, 408)


def test_a_slow_head_of_a_second_request_is_refused(guarded_server: Served) -> None:
    with guarded_server.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in connection.recv(4096)
        started = time.monotonic()
        while time.monotonic() - started < 20:
            try:
                connection.sendall(b"\r\n")
                connection.settimeout(0.1)
                if connection.recv(4096) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        assert time.monotonic() - started < 10


def test_a_slow_body_behind_a_refusal_is_cut(guarded_server: Served) -> None:
    """Without a token: the refusal comes at once, and the body has no more time than a head."""
    with guarded_server.connect() as connection:
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000\r\n\r\n"
        )
        assert b" 401 " in connection.recv(4096)
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 20:
                connection.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - started < SMALL.timeout_s


def test_further_connections_are_refused_and_silent_ones_make_room(guarded_server: Served) -> None:
    silent = [guarded_server.connect() for _ in range(SMALL.connections)]
    try:
        time.sleep(0.1)
        reply = guarded_server.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert status(reply) == 503
        assert error_of(reply)["code"] == "overloaded"
        assert alive(guarded_server)  # the silent ones have had their time
    finally:
        for connection in silent:
            connection.close()


def test_connections_of_no_token_do_not_keep_clients_out(guarded_server: Served) -> None:
    """Slow heads on every connection, again and again: a client gets through between them."""
    stop = threading.Event()

    def attack() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError), guarded_server.connect() as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nX: ")
                read_all(connection)

    attackers = [threading.Thread(target=attack, daemon=True) for _ in range(SMALL.connections - 1)]
    for attacker in attackers:
        attacker.start()
    try:
        assert alive(guarded_server)
    finally:
        stop.set()
        for attacker in attackers:
            attacker.join(20)


def test_a_request_that_takes_longer_than_a_head_may_is_answered(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    with served(index, encoder, Limits(head_s=0.3)) as found:

        async def late(_request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(1.0)
            return web.json_response(completion("late"))

        found.upstream.behaviour = late
        base = f"http://127.0.0.1:{found.port}"
        with httpx.Client(base_url=base, trust_env=False, timeout=30) as client:
            for _ in range(2):
                assert client.get("/v1/models").json() == completion("late")


def alive(server: Served) -> bool:
    """Whether a client with a token is answered within some seconds."""
    for _ in range(100):
        reply = server.send(
            b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Authorization: Bearer %s\r\n\r\n" % TOKEN.encode()
        )
        if status(reply) == 200:
            return True
        time.sleep(0.1)
    return False
