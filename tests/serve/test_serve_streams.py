"""Streams of every media type pass through as they arrive; a look-up has a time limit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from aiohttp import web

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import EncodedImage, FloatArray
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.limits import Limits
from tests.support.servers.serving import (
    GREEN,
    RED,
    Upstream,
    ask,
    asked,
    data_url,
    endpoint,
    event,
    image_part,
    text_part,
    upstream_server,
)

pytestmark = pytest.mark.slow

STREAMED = asked(text_part("Is there a crack?"), image_part(data_url(RED)), stream=True)
WHOLE = asked(text_part("Is there a crack?"), image_part(data_url(RED)))


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with upstream_server() as server:
        yield server


@pytest.fixture(scope="module")
def retriever(index: KnowledgeIndex, encoder: Encoder) -> ClipRetriever:
    return ClipRetriever(index, encoder=encoder)


def sends(
    upstream: Upstream, media_type: str | None, *pieces: bytes, after: threading.Event | None = None
) -> None:
    """Answer with these pieces; all but the first wait for `after`."""

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        if media_type is not None:
            response.headers["Content-Type"] = media_type
        await response.prepare(request)
        for number, piece in enumerate(pieces):
            while number and after is not None and not after.is_set():
                await asyncio.sleep(0.01)
            await response.write(piece)
        await response.write_eof()
        return response

    upstream.behaviour = stream


@pytest.mark.parametrize(
    ("media_type", "first"),
    [
        ("text/event-stream", event("A")),
        ("text/event-stream; charset=utf-8", event("A")),
        ("Text/Event-Stream", event("A")),
        ("text/plain", event("A")),
        ("text/plain; charset=utf-8", b"A"),
        ("application/octet-stream", event("A")),
        ("application/x-ndjson", b'{"choices": []}\n'),
        ("application/jsonl", b'{"choices": []}\n'),
        ("application/stream+json", b'{"choices": []}\n'),
        ("application/json", event("A")),
        ("application/json", b'{"choices": []}\n'),
        ("application/json", b"[{"),
        ("text/html", b"\xef\xbb\xbf\r\n" + event("A")),
        ("text/event_stream", b": alive\n\n"),
        ("multipart/mixed", b"--part\r\n"),
        (None, event("A")),
    ],
)
def test_the_first_piece_arrives_before_the_last_is_sent(
    retriever: ClipRetriever, upstream: Upstream, media_type: str | None, first: bytes
) -> None:
    go_on = threading.Event()
    sends(upstream, media_type, first, b"the rest", after=go_on)
    with (
        endpoint(retriever, upstream.url) as client,
        client.stream("POST", "/v1/chat/completions", json=STREAMED) as response,
    ):
        assert response.status_code == 200
        named = response.headers["content-type"].lower()
        assert named == (media_type or "application/octet-stream").lower()
        assert response.headers["x-mmad-rag-outcome"] == "product"
        pieces = response.iter_raw()
        assert next(pieces) == first
        go_on.set()
        assert b"".join(pieces) == b"the rest"


@pytest.mark.parametrize(
    "page", [b"<!doctype html><title>Welcome</title>", b"\xef\xbb\xbf \r\n<html>", b"<?xml?><a/>", b""]
)
@pytest.mark.parametrize("media_type", ["text/html", "text/plain", "application/octet-stream"])
def test_a_page_in_place_of_a_stream_is_still_refused(
    retriever: ClipRetriever, upstream: Upstream, page: bytes, media_type: str
) -> None:
    sends(upstream, media_type, page)
    with endpoint(retriever, upstream.url) as client:
        response = ask(client, STREAMED)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_bad_reply")


def test_what_was_not_asked_for_as_a_stream_is_still_checked(
    retriever: ClipRetriever, upstream: Upstream
) -> None:
    sends(upstream, "text/plain", b"Good morning")
    with endpoint(retriever, upstream.url) as client:
        assert ask(client, WHOLE).status_code == 502


def test_an_error_in_place_of_a_stream_keeps_its_status(retriever: ClipRetriever, upstream: Upstream) -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no"}}, status=429)

    upstream.behaviour = refuse
    with endpoint(retriever, upstream.url) as client:
        response = ask(client, STREAMED)
    assert (response.status_code, response.json()) == (429, {"error": {"message": "no"}})


@pytest.mark.parametrize("media_type", ["application/x-ndjson", "text/plain", "text/event-stream"])
def test_a_stream_that_falls_silent_ends_with_the_reason(
    retriever: ClipRetriever, upstream: Upstream, media_type: str
) -> None:
    sends(upstream, media_type, b'{"choices": []}\n', b"never", after=threading.Event())
    with (
        endpoint(retriever, upstream.url, Limits(timeout_s=0.5)) as client,
        client.stream("POST", "/v1/chat/completions", json=STREAMED) as response,
    ):
        received: list[bytes] = []
        with pytest.raises(httpx.RemoteProtocolError):
            received.extend(response.iter_raw())
    assert b"upstream_timeout" in b"".join(received)


def test_a_stream_that_never_begins_is_a_timeout(retriever: ClipRetriever, upstream: Upstream) -> None:
    async def begin(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
        await response.prepare(request)
        await asyncio.sleep(20)
        return response

    upstream.behaviour = begin
    with endpoint(retriever, upstream.url, Limits(timeout_s=0.5)) as client:
        response = ask(client, STREAMED)
    assert (response.status_code, response.json()["error"]["code"]) == (504, "upstream_timeout")


# ------------------------------------------------------------------------------------------------ look-ups


class SlowRetriever(ClipRetriever):
    """Embeds an image only when it is told to."""

    go_on = threading.Event()

    def vector(self, image: EncodedImage, references: object = ()) -> FloatArray:
        self.go_on.wait(20)
        return super().vector(image)


def test_a_slow_lookup_is_given_up_and_others_are_served(
    index: KnowledgeIndex, encoder: Encoder, upstream: Upstream
) -> None:
    slow = SlowRetriever(index, encoder=encoder)
    slow.go_on.clear()
    green = asked(text_part("Is there a crack?"), image_part(data_url(GREEN)))
    with endpoint(slow, upstream.url, Limits(lookup_s=0.4)) as client:
        started = time.monotonic()
        response = ask(client, WHOLE)
        assert time.monotonic() - started < 10
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["type"]) == (504, "lookup_timeout", "server_error")
        assert "--lookup-timeout" in error["message"]
        assert upstream.bodies == []
        assert client.get("/healthz").status_code == 200
        assert ask(client, asked(text_part("Good morning"))).status_code == 200
        slow.go_on.set()
        assert ask(client, green).headers["x-mmad-rag-outcome"] == "product"
