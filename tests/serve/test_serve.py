"""The endpoint as its clients see it: the official client in front, a scripted upstream behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Sequence

import httpx
import openai
import pytest
from aiohttp import web

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import EncodedImage, FloatArray
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.token import Token
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.servers.serving import (
    GREEN,
    LIMITS,
    QUESTION,
    RED,
    YELLOW,
    Upstream,
    app_server,
    ask,
    asked,
    data_url,
    error_of,
    event,
    image_part,
    metric,
    sdk,
    text_part,
)
from tests.support.waiting import wait_for_async

TOKEN = "0123456789abcdef0123"  # noqa: S105 - of this test only


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


def test_models_come_from_the_upstream(client: httpx.Client, upstream: Upstream) -> None:
    async def models(request: web.Request) -> web.StreamResponse:
        return web.json_response({"path": request.path})

    upstream.behaviour = models
    assert client.get("/v1/models").json() == {"path": "/v1/models"}
    assert client.get("/v1/models/qwen/vl").json() == {"path": "/v1/models/qwen/vl"}


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
