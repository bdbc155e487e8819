"""The endpoint as its clients see it: the official client in front, a scripted upstream behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import openai
import pytest
from aiohttp import web

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import EncodedImage, FloatArray, Knowledge
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.token import Token
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.servers.serving import (
    GREEN,
    RED,
    YELLOW,
    Upstream,
    app_server,
    asked,
    completion,
    data_url,
    event,
    image_part,
    text_part,
    upstream_server,
)
from tests.support.waiting import wait_for, wait_for_async

LIMITS = Limits(body_bytes=200_000, image_bytes=20_000, image_pixels=10_000)
HASTY = Limits(timeout_s=0.2)
"""For the side that is silent in a test; the other one has all the time that it needs."""
TOKEN = "0123456789abcdef0123"  # noqa: S105 - of this test only
QUESTION = asked(text_part("Is there a crack?"), image_part(data_url(RED)))


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[Upstream]:
    with upstream_server() as server:
        yield server


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.bodies.clear()
    shared_upstream.headers.clear()
    shared_upstream.behaviour = None
    shared_upstream.cancelled.clear()
    shared_upstream.arrived.clear()
    return shared_upstream


@pytest.fixture(scope="module")
def retriever(index: KnowledgeIndex, encoder: Encoder) -> ClipRetriever:
    return ClipRetriever(index, encoder=encoder)


@pytest.fixture(scope="module")
def base(shared_upstream: Upstream, retriever: ClipRetriever) -> Iterator[str]:
    """An endpoint without a token, with tight limits."""
    with app_server(make_app(retriever, Target(shared_upstream.url, limits=LIMITS), limits=LIMITS)) as url:
        yield url


@pytest.fixture(scope="module")
def hasty(shared_upstream: Upstream, retriever: ClipRetriever) -> Iterator[httpx.Client]:
    """An endpoint that does not wait long for its upstream."""
    app = make_app(retriever, Target(shared_upstream.url, limits=HASTY), limits=LIMITS)
    with (
        app_server(app) as base,
        httpx.Client(base_url=base, timeout=60, trust_env=False) as client,
    ):
        yield client


@pytest.fixture
def client(base: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        yield client


def sdk(base: str, key: str = "sk-client") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0, timeout=60)


def ask(client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
    return client.post("/v1/chat/completions", json=body)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code; the shape is checked on the way."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return response.status_code, error["code"]


def test_the_official_client_gets_the_reply_and_the_upstream_the_knowledge(
    base: str, upstream: Upstream
) -> None:
    with sdk(base) as client:
        raw = client.chat.completions.with_raw_response.create(**QUESTION)
    assert raw.parse().choices[0].message.content == "B"
    block, question = upstream.texts()
    assert block.startswith("<reference_material>\nNotes on the product that the picture probably shows: red")
    assert "A thin black line runs across the red paint." in block
    assert question == "Is there a crack?"
    sent = json.loads(upstream.bodies[-1])
    assert sent["messages"][0]["content"][1:] == QUESTION["messages"][0]["content"]
    assert raw.headers["x-mmad-rag-outcome"] == "product"
    assert raw.headers["x-mmad-rag-product"] == "red_disc"
    assert 0.5 < float(raw.headers["x-mmad-rag-confidence"]) <= 1
    ids = raw.headers["x-mmad-rag-passages"].split(",")
    assert "red_disc/crack/appearance/1" in ids
    assert block.count("\n[") == len(ids)
    assert upstream.headers[-1]["authorization"] == "Bearer sk-client"


def test_the_asynchronous_client_streams(base: str, upstream: Upstream) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for text in ("one ", "two"):
            await response.write(event(text))
            await asyncio.sleep(0.05)
        await response.write(b"data: [DONE]\n\n")
        return response

    async def read() -> str:
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0) as client:
            chunks = await client.chat.completions.create(**QUESTION, stream=True)
            return "".join([chunk.choices[0].delta.content async for chunk in chunks])

    upstream.behaviour = stream
    assert asyncio.run(read()) == "one two"
    assert upstream.texts()[0].startswith("<reference_material>")


def test_the_asynchronous_client_gets_a_whole_reply(base: str, upstream: Upstream) -> None:
    async def read() -> tuple[str | None, str]:
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="sk-async", max_retries=0) as client:
            raw = await client.chat.completions.with_raw_response.create(**QUESTION)
            return raw.parse().choices[0].message.content, raw.headers["x-mmad-rag-product"]

    assert asyncio.run(read()) == ("B", "red_disc")
    assert upstream.texts()[0].startswith("<reference_material>")
    assert upstream.headers[-1]["authorization"] == "Bearer sk-async"


def test_the_asynchronous_client_reads_errors_of_both_servers(base: str, upstream: Upstream) -> None:
    async def busy(_request: web.Request) -> web.StreamResponse:
        body = {"error": {"message": "slow down", "type": "x", "param": None, "code": "rate_limited"}}
        return web.json_response(body, status=429, headers={"Retry-After": "3"})

    async def read() -> tuple[openai.RateLimitError, openai.BadRequestError]:
        async with openai.AsyncOpenAI(base_url=f"{base}/v1", api_key="k", max_retries=0) as client:
            with pytest.raises(openai.RateLimitError) as theirs:
                await client.chat.completions.create(**QUESTION)
            with pytest.raises(openai.BadRequestError) as ours:
                await client.chat.completions.create(**asked(image_part("data:image/png;base64,@@@")))
        return theirs.value, ours.value

    upstream.behaviour = busy
    theirs, ours = asyncio.run(read())
    assert (theirs.code, theirs.response.headers["retry-after"]) == ("rate_limited", "3")
    assert theirs.response.headers["x-mmad-rag-outcome"] == "product"
    assert ours.code == "invalid_image"
    assert len(upstream.bodies) == 1


def test_a_slow_stream_arrives_as_it_is_sent(retriever: ClipRetriever, upstream: Upstream) -> None:
    """Each event is passed on at once; together they may take longer than --timeout.

    A busy machine may be silent for longer than any --timeout, so that more patience is tried then.
    """
    for timeout_s in (0.4, 4.0, 40.0):
        limits = Limits(timeout_s=timeout_s)
        app = make_app(retriever, Target(upstream.url, limits=limits), limits=LIMITS)
        with (
            app_server(app) as base,
            httpx.Client(base_url=base, timeout=120, trust_env=False) as client,
            contextlib.suppress(httpx.RemoteProtocolError),
        ):
            assert events_of_a_slow_stream(client, upstream, pause_s=timeout_s / 2) == 3
            return
    raise AssertionError("the stream was cut however long the endpoint waits for each event")


def events_of_a_slow_stream(client: httpx.Client, upstream: Upstream, *, pause_s: float) -> int:
    """How many come after the first, which has to arrive before they are sent."""
    going = threading.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event("first"))
        await wait_for_async(going.is_set, "the first event arrived")
        for _ in range(3):
            await asyncio.sleep(pause_s)
            await response.write(event("next"))
        return response

    upstream.behaviour = stream
    with client.stream("POST", "/v1/chat/completions", json={**QUESTION, "stream": True}) as response:
        lines = response.iter_lines()
        assert "first" in next(lines)
        assert response.headers["x-mmad-rag-product"] == "red_disc"
        going.set()
        return sum("next" in line for line in lines)


def test_a_stream_cut_by_the_upstream_is_cut_for_the_client(client: httpx.Client, upstream: Upstream) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event("half"))
        assert request.transport is not None
        request.transport.abort()
        return response

    upstream.behaviour = cut
    got = b""
    with (  # noqa: PT012 - the answer begins well
        pytest.raises(httpx.RemoteProtocolError),
        client.stream("POST", "/v1/chat/completions", json=QUESTION) as response,
    ):
        for chunk in response.iter_raw():
            got += chunk
    assert b"half" in got


def test_a_stream_that_falls_silent_ends_with_an_error_event(hasty: httpx.Client, upstream: Upstream) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event("half"))
        return await upstream.hang(request)

    upstream.behaviour = silent
    got = b""
    with (  # noqa: PT012 - as above
        pytest.raises(httpx.RemoteProtocolError),
        hasty.stream("POST", "/v1/chat/completions", json=QUESTION) as response,
    ):
        for chunk in response.iter_raw():
            got += chunk
    last = got.decode().strip().splitlines()[-1].removeprefix("data: ")
    assert json.loads(last)["error"]["code"] == "upstream_timeout"


def test_messages_without_pictures_are_forwarded_byte_for_byte(
    client: httpx.Client, upstream: Upstream
) -> None:
    raw = b'{ "model":"m","messages":[{"role":"user","content":"hi"}] ,"x":1.50}'
    response = client.post(
        "/v1/chat/completions", content=raw, headers={"content-type": "application/json; charset=utf-8"}
    )
    assert upstream.bodies == [raw]
    assert response.headers["x-mmad-rag-outcome"] == "no-picture"
    assert "x-mmad-rag-product" not in response.headers


def test_of_five_pictures_the_last_one_is_routed(client: httpx.Client, upstream: Upstream) -> None:
    images = [image_part(data_url(data)) for data in (GREEN, GREEN, YELLOW, GREEN, RED)]
    response = ask(client, asked(text_part("Is it good?"), *images))
    assert response.headers["x-mmad-rag-product"] == "red_disc"
    assert [part["type"] for part in json.loads(upstream.bodies[-1])["messages"][0]["content"]] == [
        "text",
        "text",
        *["image_url"] * 5,
    ]


def test_in_a_conversation_knowledge_stays_beside_the_picture(
    client: httpx.Client, upstream: Upstream
) -> None:
    messages = [
        *QUESTION["messages"],
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "What is the cause?"},
    ]
    ask(client, {"model": "m", "messages": messages})
    sent = json.loads(upstream.bodies[-1])["messages"]
    assert sent[0]["content"][0]["text"].startswith("<reference_material>")
    assert sent[0]["content"][1:] == QUESTION["messages"][0]["content"]
    assert sent[1:] == messages[1:]


def test_a_picture_of_no_product_adds_nothing(client: httpx.Client, upstream: Upstream) -> None:
    response = ask(client, asked(text_part("Good?"), image_part(data_url(YELLOW))))
    assert response.headers["x-mmad-rag-outcome"] == "not-in-the-catalogue"
    assert upstream.texts() == ["Good?"]


def test_knowledge_is_not_added_twice(client: httpx.Client, upstream: Upstream) -> None:
    """What one endpoint made goes through a second one unchanged."""
    ask(client, QUESTION)
    first = upstream.bodies[-1]
    response = client.post(
        "/v1/chat/completions", content=first, headers={"content-type": "application/json"}
    )
    assert upstream.bodies[-1] == first
    assert response.headers["x-mmad-rag-outcome"] == "already-there"


def test_pictures_by_address_are_not_fetched(client: httpx.Client, upstream: Upstream) -> None:
    """Neither from the network nor from this machine's disk."""
    for url in (f"{upstream.url}/x.png", "file:///etc/passwd", "/etc/passwd"):
        response = ask(client, asked(image_part(url)))
        assert response.headers["x-mmad-rag-outcome"] == "picture-elsewhere"
    assert len(upstream.bodies) == 3


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


def test_models_come_from_the_upstream(client: httpx.Client, upstream: Upstream) -> None:
    async def models(request: web.Request) -> web.StreamResponse:
        return web.json_response({"path": request.path})

    upstream.behaviour = models
    assert client.get("/v1/models").json() == {"path": "/v1/models"}
    assert client.get("/v1/models/qwen/vl").json() == {"path": "/v1/models/qwen/vl"}


def test_other_paths_or_methods_name_what_is_there(client: httpx.Client) -> None:
    missing = client.post("/v1/embeddings", json={})
    assert error_of(missing) == (404, "not_found")
    assert "/v1/chat/completions" in missing.json()["error"]["message"]
    assert client.get("/v1/chat/completions").status_code == 405


def test_metrics_count_what_was_done(client: httpx.Client) -> None:
    name = 'mmad_rag_requests_total{path="/v1/chat/completions",status="200"}'
    before, hits = metric(client, name), metric(client, 'mmad_rag_picture_cache_total{result="hit"}')
    ask(client, QUESTION)
    ask(client, QUESTION)
    client.get("/nowhere/sk-secret")
    text = client.get("/metrics").text
    assert metric(client, name) == before + 2
    assert metric(client, 'mmad_rag_picture_cache_total{result="hit"}') >= hits + 1
    assert 'mmad_rag_products_total{product="red_disc"}' in text
    assert "sk-secret" not in text
    assert metric(client, "mmad_rag_requests_in_flight") == 1  # the request for the metrics itself


def test_with_a_token_only_its_bearers_get_in(
    retriever: ClipRetriever, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    """As bearer token, which the upstream never sees; or beside the upstream's key. None is ever logged."""
    target = Target(upstream.url, key="sk-servers-own", limits=LIMITS)
    app = make_app(retriever, target, token=Token(TOKEN), limits=LIMITS)
    with (
        caplog.at_level(logging.DEBUG),
        app_server(app) as base,
        httpx.Client(base_url=base, trust_env=False, timeout=60) as client,
    ):
        assert client.get("/healthz").json() == {"status": "ok"}
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
            refused = client.post("/v1/chat/completions", json=QUESTION, headers=headers)
            assert error_of(refused) == (401, "invalid_token")
        assert client.get("/metrics").status_code == 401
        assert upstream.bodies == []
        with sdk(base, TOKEN) as official:
            official.chat.completions.create(**QUESTION)
        assert upstream.headers[-1]["authorization"] == "Bearer sk-servers-own"
        both = {"x-mmad-rag-token": TOKEN, "authorization": "Bearer sk-clients-own", "cookie": "a=b"}
        client.post("/v1/chat/completions?key=sk-query", json=QUESTION, headers=both)
        assert upstream.headers[-1]["authorization"] == "Bearer sk-clients-own"
        assert {"x-mmad-rag-token", "cookie"} & set(upstream.headers[-1]) == set()
        # any name of this machine will do, where there is a token
        assert client.get("/metrics", headers={**both, "host": "inspection.example"}).status_code == 200
    of_the_client = ("httpx", "httpcore", "openai")
    logged = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(of_the_client)
    )
    assert "product red_disc" in logged
    for secret in (TOKEN, "sk-servers-own", "sk-clients-own", "sk-query"):
        assert secret not in logged


def test_more_than_the_allowed_requests_at_a_time_are_refused(
    retriever: ClipRetriever, upstream: Upstream
) -> None:
    limits = Limits(in_flight=1)
    going = threading.Event()

    async def waiting(_request: web.Request) -> web.StreamResponse:
        await wait_for_async(going.is_set, "the second request was answered")
        return web.json_response({})

    upstream.behaviour = waiting
    with app_server(make_app(retriever, Target(upstream.url, limits=limits), limits=limits)) as base:
        first = threading.Thread(target=lambda: httpx.get(f"{base}/v1/models", trust_env=False, timeout=60))
        first.start()
        assert upstream.arrived.wait(60)
        response = httpx.get(f"{base}/v1/models", trust_env=False, timeout=60)
        assert httpx.get(f"{base}/healthz", trust_env=False, timeout=60).status_code == 200
        going.set()
        first.join()
    assert error_of(response) == (503, "overloaded")
    assert response.headers["retry-after"] == "1"


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


def test_without_room_for_knowledge_the_body_stays_as_it_is(
    index: KnowledgeIndex, encoder: Encoder, upstream: Upstream
) -> None:
    bare = ClipRetriever(index, encoder=encoder, budget=0)
    with app_server(make_app(bare, Target(upstream.url, limits=LIMITS), limits=LIMITS)) as base:
        response = httpx.post(f"{base}/v1/chat/completions", json=QUESTION, trust_env=False, timeout=60)
    assert upstream.texts() == ["Is there a crack?"]
    assert response.headers["x-mmad-rag-product"] == "red_disc"
    assert "x-mmad-rag-passages" not in response.headers


def test_a_known_picture_does_not_wait_behind_one_that_is_being_embedded(
    index: KnowledgeIndex, encoder: Encoder, upstream: Upstream
) -> None:
    """Embedding blocks neither the event loop nor requests whose image is remembered."""
    slow, going = threading.Event(), threading.Event()

    class Slow(ClipRetriever):
        def vector(self, image: EncodedImage, references: Sequence[EncodedImage] = ()) -> FloatArray:
            if image.data == GREEN:
                slow.set()
                assert going.wait(60)
            return super().vector(image, references)

    app = make_app(Slow(index, encoder=encoder), Target(upstream.url, limits=LIMITS), limits=LIMITS)
    with app_server(app) as base:

        def post(data: bytes) -> str:
            body = asked(text_part("Good?"), image_part(data_url(data)))
            response = httpx.post(f"{base}/v1/chat/completions", json=body, trust_env=False, timeout=60)
            return response.headers["x-mmad-rag-product"]

        assert post(RED) == "red_disc"
        products: list[str] = []
        threads = [threading.Thread(target=lambda: products.append(post(GREEN))) for _ in range(3)]
        for thread in threads:
            thread.start()
        assert slow.wait(60)
        assert post(RED) == "red_disc"
        going.set()
        for thread in threads:
            thread.join()
    assert products == ["green_square"] * 3


def metric(client: httpx.Client, name: str) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return float(line.rpartition(" ")[2])
    return 0.0


def wait_for_metric(client: httpx.Client, name: str, value: float) -> None:
    def reached() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return metric(client, name) == value
        return False

    wait_for(reached, f"{name} is {value:g}", pause=0.05)
