"""What the endpoint says to requests that cannot be used, and to an upstream or a client that fails."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai
import pytest
from aiohttp import web

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import Knowledge
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.servers.serving import (
    HASTY,
    LIMITS,
    QUESTION,
    RED,
    Upstream,
    app_server,
    ask,
    asked,
    completion,
    data_url,
    error_of,
    image_part,
    metric,
    sdk,
    text_part,
)
from tests.support.waiting import wait_for


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (asked(image_part("data:image/png;base64,@@@")), (400, "invalid_image")),
        (asked(image_part("data:image/png,abc")), (400, "invalid_image")),
        (asked(image_part(data_url(RED[:60]))), (400, "invalid_image")),
        (asked(image_part(data_url(b"x" * 21_000))), (413, "picture_too_large")),
        (asked(text_part("x" * 250_000)), (413, "body_too_large")),
        (asked(text_part("x" * 2_500_000)), (413, "body_too_large")),
    ],
)
def test_what_cannot_be_used_is_refused(
    client: httpx.Client, upstream: Upstream, body: dict[str, Any], expected: tuple[int, str]
) -> None:
    """With an error in OpenAI's shape, and without asking the upstream."""
    assert error_of(ask(client, body)) == expected
    assert upstream.bodies == []


def test_the_official_client_reads_refusals(base: str) -> None:
    with sdk(base) as client, pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**asked(image_part("data:image/png;base64,@@@")))
    assert caught.value.code == "invalid_image"
    assert "base64" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"{", {"content-type": "application/json"}, (400, "invalid_json")),
        (b"[" * 100_000, {"content-type": "application/json"}, (400, "invalid_json")),
        (b"{}", {"content-type": "text/plain"}, (415, "unsupported_media_type")),
        (b"{}", {}, (415, "unsupported_media_type")),
        (b"x", {"content-type": "application/json", "content-encoding": "gzip"}, (415, "compressed_body")),
        (b"{}", {"content-type": "application/json", "host": "evil.example:80"}, (403, "foreign_host")),
    ],
)
def test_bodies_of_other_kinds_are_refused(
    client: httpx.Client, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    assert error_of(client.post("/v1/chat/completions", content=content, headers=headers)) == expected


def test_json_that_cannot_be_written_again_is_refused(client: httpx.Client) -> None:
    body = json.dumps({**QUESTION, "temperature": "T"}).replace('"T"', "NaN").encode()
    response = client.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert error_of(response) == (400, "invalid_json")


def test_json_that_is_no_request_is_the_upstreams_business(client: httpx.Client, upstream: Upstream) -> None:
    for raw in (b"[1]", b'{"messages":3}', b'{"messages":[3,{"role":"user","content":[3]}]}'):
        client.post("/v1/chat/completions", content=raw, headers={"content-type": "application/json"})
        assert upstream.bodies[-1] == raw


def test_a_body_announced_as_too_large_is_refused_before_it_is_sent(base: str) -> None:
    """A client that waits for leave (`Expect: 100-continue`) gets the refusal instead of leave."""
    host, port = base.removeprefix("http://").split(":")
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        "Content-Length: 104857600\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(head.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_arrive_is_given_up(retriever: ClipRetriever, upstream: Upstream) -> None:
    app = make_app(retriever, Target(upstream.url, limits=LIMITS), limits=HASTY)
    with app_server(app) as base, unfinished_request(base) as raw:
        assert raw.recv(100).startswith(b"HTTP/1.1 408")


@contextlib.contextmanager
def unfinished_request(base: str) -> Iterator[socket.socket]:
    """A connection over which one byte of a body of ten was sent."""
    host, port = base.removeprefix("http://").split(":")
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as raw:
        raw.sendall(f"{head}Content-Length: 10\r\n\r\n{{".encode())
        yield raw


def test_a_client_that_leaves_while_sending_is_only_counted(base: str, client: httpx.Client) -> None:
    before = metric(client, "mmad_rag_client_disconnects_total")
    with unfinished_request(base):
        wait_for_metric(client, "mmad_rag_requests_in_flight", 2)  # it, and this very question
    wait_for_metric(client, "mmad_rag_client_disconnects_total", before + 1)


def test_an_upstreams_error_is_passed_on_as_it_is(base: str, upstream: Upstream) -> None:
    """An unknown model, say: status, body and Retry-After are the upstream's."""

    async def unknown(_request: web.Request) -> web.StreamResponse:
        body = {"error": {"message": "no model m", "type": "x", "param": "model", "code": "model_not_found"}}
        return web.json_response(body, status=404, headers={"Retry-After": "7"})

    upstream.behaviour = unknown
    with sdk(base) as client, pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(**QUESTION)
    assert caught.value.code == "model_not_found"
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.response.headers["x-mmad-rag-product"] == "red_disc"


def test_an_upstreams_error_page_keeps_its_status(client: httpx.Client, upstream: Upstream) -> None:
    async def page(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=503, text="<h1>busy</h1>", content_type="text/html")

    upstream.behaviour = page
    response = ask(client, QUESTION)
    assert (response.status_code, response.text) == (503, "<h1>busy</h1>")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response, "instead of JSON, beginning ''"),
        (lambda: web.Response(text="<html>\nHi", content_type="text/html"), "beginning '<html> Hi'"),
        (lambda: web.Response(status=302, headers={"Location": "/there?key=s"}), "redirect to '/there'"),
    ],
)
def test_a_success_that_is_no_json_becomes_502(
    client: httpx.Client, upstream: Upstream, answer: Callable[[], web.StreamResponse], said: str
) -> None:
    async def behave(_request: web.Request) -> web.StreamResponse:
        return answer()

    upstream.behaviour = behave
    response = ask(client, QUESTION)
    assert error_of(response) == (502, "upstream_bad_reply")
    assert said in response.json()["error"]["message"]
    assert response.headers["x-mmad-rag-product"] == "red_disc"


def test_a_large_body_arrives_whole(retriever: ClipRetriever, upstream: Upstream) -> None:
    limits = Limits()
    words = "x" * 3_000_000
    with app_server(make_app(retriever, Target(upstream.url, limits=limits), limits=limits)) as base:
        body = asked(text_part(words), image_part(data_url(RED)))
        response = httpx.post(f"{base}/v1/chat/completions", json=body, trust_env=False, timeout=60)
    assert response.status_code == 200
    assert upstream.texts()[1] == words


def test_a_reply_that_is_too_large_becomes_502(upstream: Upstream, retriever: ClipRetriever) -> None:
    limits = Limits(reply_bytes=100)
    with app_server(make_app(retriever, Target(upstream.url, limits=limits), limits=limits)) as base:
        response = httpx.post(f"{base}/v1/chat/completions", json=QUESTION, trust_env=False, timeout=60)
    assert error_of(response) == (502, "upstream_bad_reply")


def test_a_reply_cut_in_the_middle_becomes_502(client: httpx.Client, upstream: Upstream) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": "99"})
        await response.prepare(request)
        await response.write(b'{"choices"')
        assert request.transport is not None
        request.transport.close()
        return response

    upstream.behaviour = cut
    assert error_of(ask(client, QUESTION)) == (502, "upstream_bad_reply")


def test_a_connection_dropped_without_an_answer_becomes_502(client: httpx.Client, upstream: Upstream) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    upstream.behaviour = drop
    assert error_of(ask(client, QUESTION)) == (502, "upstream_disconnected")


def test_an_upstream_that_hangs_becomes_504(hasty: httpx.Client, upstream: Upstream) -> None:
    upstream.behaviour = upstream.hang

    def arrives() -> bool:  # a busy machine may give up before
        assert error_of(ask(hasty, QUESTION)) == (504, "upstream_timeout")
        return upstream.arrived.is_set()

    wait_for(arrives, "a request arrived at the upstream")
    assert upstream.cancelled.wait(60)


def test_a_reply_that_stops_in_the_middle_becomes_504(hasty: httpx.Client, upstream: Upstream) -> None:
    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(b'{"choices"')
        return await upstream.hang(request)

    upstream.behaviour = half
    assert error_of(ask(hasty, QUESTION)) == (504, "upstream_timeout")


def test_an_upstream_that_does_not_run_becomes_502(retriever: ClipRetriever) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    limits = Limits()
    target = Target(f"http://127.0.0.1:{port}/v1", limits=limits)
    with app_server(make_app(retriever, target, limits=limits)) as base:
        response = httpx.post(f"{base}/v1/chat/completions", json=QUESTION, trust_env=False, timeout=60)
    assert error_of(response) == (502, "upstream_unreachable")
    assert f"127.0.0.1:{port}/v1" in response.json()["error"]["message"]


@pytest.mark.parametrize("message", [{"content": ""}, {"content": None, "tool_calls": [{"id": "t"}]}])
def test_empty_replies_or_tool_calls_pass_unchanged(
    client: httpx.Client, upstream: Upstream, message: dict[str, Any]
) -> None:
    reply = completion(**message)

    async def behave(_request: web.Request) -> web.StreamResponse:
        return web.json_response(reply)

    upstream.behaviour = behave
    assert ask(client, QUESTION).json() == reply


def test_a_client_that_hangs_up_stops_the_upstreams_work(
    retriever: ClipRetriever, upstream: Upstream
) -> None:
    upstream.behaviour = upstream.hang
    body = json.dumps(QUESTION).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    app = make_app(retriever, Target(upstream.url, limits=LIMITS), limits=LIMITS)
    with app_server(app) as base, httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        host, port = base.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as raw:
            raw.sendall(head.encode() + body)
            assert upstream.arrived.wait(60)
        assert upstream.cancelled.wait(60)
        wait_for_metric(client, "mmad_rag_client_disconnects_total", 1)


def test_other_paths_or_methods_name_what_is_there(client: httpx.Client) -> None:
    missing = client.post("/v1/embeddings", json={})
    assert error_of(missing) == (404, "not_found")
    assert "/v1/chat/completions" in missing.json()["error"]["message"]
    assert client.get("/v1/chat/completions").status_code == 405


def test_a_mistake_of_ours_is_500_without_details(
    index: KnowledgeIndex, encoder: Encoder, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ClipRetriever):
        def retrieve_routed(self, *_arguments: object, **_options: object) -> Knowledge:
            raise RuntimeError("the shelf fell over")

    app = make_app(Broken(index, encoder=encoder), Target(upstream.url, limits=LIMITS), limits=LIMITS)
    with app_server(app) as base:
        response = httpx.post(f"{base}/v1/chat/completions", json=QUESTION, trust_env=False, timeout=60)
    assert error_of(response) == (500, "server_failed")
    assert "shelf" not in response.text
    assert "the shelf fell over" in caplog.text


def wait_for_metric(client: httpx.Client, name: str, value: float) -> None:
    def reached() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return metric(client, name) == value
        return False

    wait_for(reached, f"{name} is {value:g}", pause=0.05)
