"""The endpoint where things are odd: broken halves, full queues, strange messages, long texts."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
import socket
import threading
from collections.abc import AsyncIterator, Collection, Iterator

import httpx
import numpy as np
import pytest
from aiohttp import web
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route as Path

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.prompt import knowledge_text
from mmad_rag.records import FloatArray, Knowledge, Route
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.route_cache import SeenImage, SeenImages
from mmad_rag.retrieve.selection.tokenizers import NamedCounter
from mmad_rag.serve import retrieval_pool as lookup
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics
from mmad_rag.serve.middleware import Gate
from tests.support.servers.serving import (
    RED,
    Upstream,
    app_server,
    ask,
    asked,
    data_url,
    endpoint,
    image_part,
    text_part,
    upstream_server,
)
from tests.support.world import COLOURS, World

pytestmark = pytest.mark.slow

QUESTION = asked(text_part("Is there a crack?"), image_part(data_url(RED)))
SHOWN = [image_part(data_url(RED))]


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with upstream_server() as server:
        yield server


@pytest.fixture(scope="module")
def by_words(world: World, encoder: Encoder) -> KnowledgeIndex:
    """An index without a text encoder."""
    return KnowledgeIndex.build(world.knowledge, encoder, references=world.references)


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["message"]


# ------------------------------------------------------------------------------------------- broken halves


def test_a_mistake_after_the_answer_has_begun_cuts_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    """A clean end, or a second answer behind the first half, would pass off half an answer as a whole one."""
    metrics = Metrics()

    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("the shelf fell over")

    async def answer(_request: Request) -> StreamingResponse:
        return StreamingResponse(half())

    gate = Middleware(Gate, token=None, limits=Limits(), metrics=metrics, paths=frozenset({"/half"}))
    got = b""
    with (  # noqa: PT012 - the answer begins well
        caplog.at_level(logging.INFO, "mmad_rag.serve"),
        app_server(Starlette(routes=[Path("/half", answer)], middleware=[gate])) as base,
        pytest.raises(httpx.RemoteProtocolError),
        httpx.stream("GET", f"{base}/half", trust_env=False, timeout=60) as response,
    ):
        for chunk in response.iter_raw():
            got += chunk
    assert (response.status_code, got) == (200, b"half")
    assert "/half failed" in caplog.text
    assert "the shelf fell over" in caplog.text
    assert 'mmad_rag_requests_total{path="/half",status="200"} 1' in metrics.text()
    assert metrics.in_flight == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_whatever_body_it_has(
    retriever: ClipRetriever, upstream: Upstream, status: int
) -> None:
    """Its JSON is not a reply, and the key goes nowhere else."""

    async def moved(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"choices": []}, status=status, headers={"Location": "/v2?key=sk-1"})

    upstream.behaviour = moved
    with endpoint(retriever, upstream.url) as client:
        found = error_of(ask(client, QUESTION))
    assert found[:2] == (502, "upstream_bad_reply")
    assert "a redirect to '/v2'; give the final address to --upstream" in found[2]
    assert "sk-1" not in found[2]
    assert len(upstream.bodies) == 1


def test_an_upstream_that_takes_no_connection_is_given_up(retriever: ClipRetriever) -> None:
    """It listens, but its queue is full: the system answers nothing at all."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        with endpoint(retriever, url, Limits(connect_s=0.3)) as client:
            response = ask(client, QUESTION)
    found = error_of(response)
    assert found[:2] == (502, "upstream_unreachable")
    assert "no connection within 0.3 s" in found[2]
    assert response.headers["x-mmad-rag-product"] == "red_disc"


# ----------------------------------------------------------------------------------------- strange messages


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": None}],
        [{"role": "user"}],
        [{"role": "user", "content": [None, 7, "text", ["image_url"]]}],
        [None, 7, "user", ["role", "user"]],
        [{"role": "system", "content": SHOWN}, {"role": "user", "content": "Good?"}],
        [{"role": "developer", "content": SHOWN}, {"role": "user", "content": "Good?"}],
        [{"role": "user", "content": "Good?"}, {"role": "assistant", "content": SHOWN}],
        [{"role": "tool", "tool_call_id": "c", "content": SHOWN}],
        [],
        {"role": "user", "content": SHOWN},
        "hello",
        None,
    ],
)
def test_what_shows_no_picture_of_the_user_is_forwarded_byte_for_byte(
    retriever: ClipRetriever, upstream: Upstream, messages: object
) -> None:
    sent = json.dumps({"model": "m", "messages": messages}, indent=1).encode()
    with endpoint(retriever, upstream.url) as client:
        response = client.post(
            "/v1/chat/completions", content=sent, headers={"content-type": "application/json"}
        )
    assert response.headers["x-mmad-rag-outcome"] == "no-picture"
    assert upstream.bodies == [sent]


def test_odd_messages_beside_the_picture_stay_as_they_are(
    retriever: ClipRetriever, upstream: Upstream
) -> None:
    odd = [None, 7, {"role": "user", "content": None}, {"role": "user", "content": [None, *SHOWN]}, "x"]
    with endpoint(retriever, upstream.url) as client:
        assert ask(client, {"messages": odd}).headers["x-mmad-rag-product"] == "red_disc"
    messages = json.loads(upstream.bodies[-1])["messages"]
    block = messages[3]["content"].pop(0)
    assert block["text"].startswith("<reference_material>")
    assert messages == odd


# -------------------------------------------------------------------------------------- large sources, texts


def large_red() -> bytes:
    """More than 512 kB that no compression makes smaller; red in the mean."""
    noise = np.random.default_rng(0).integers(-20, 21, (500, 500, 3))
    buffer = io.BytesIO()
    Image.fromarray((np.array(COLOURS["red"]) + noise).astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


class Watched(ClipRetriever):
    """Notes which thread selects passages."""

    def __init__(self, index: KnowledgeIndex, encoder: Encoder) -> None:
        super().__init__(index, encoder=encoder)
        self.threads: list[str] = []

    def retrieve_routed(
        self,
        question: str,
        route: Route,
        vector: FloatArray,
        own_digests: Collection[str] = (),
        *,
        counter: NamedCounter | None = None,
    ) -> Knowledge:
        self.threads.append(threading.current_thread().name.rpartition("_")[0])
        return super().retrieve_routed(question, route, vector, own_digests, counter=counter)


def test_a_large_picture_is_hashed_in_a_thread_and_remembered(
    by_words: KnowledgeIndex, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []

    class Noting(SeenImages):
        def get(self, source: str | bytes) -> SeenImage | None:
            hashed.append(threading.current_thread().name.rpartition("_")[0])
            return super().get(source)

    monkeypatch.setattr(lookup, "SeenImages", Noting)
    large, metrics = data_url(large_red()), Metrics()
    assert len(large) > 512 * 1024
    retriever = ClipRetriever(by_words, encoder=encoder)

    async def work() -> list[Knowledge]:
        looker = lookup.Lookup(retriever, Limits(), metrics)
        sources = (large, large, data_url(RED))
        found = [(await looker.find(source, "Is there a crack?")).knowledge for source in sources]
        looker.close()
        return found

    found = asyncio.run(work())
    assert hashed == ["mmad-rag-select", "mmad-rag-select", ""]
    assert found[0] == found[1] == retriever.retrieve("Is there a crack?", open_image(large))
    assert found[0].route.products == ("red_disc",)
    assert 'mmad_rag_picture_cache_total{result="hit"} 1' in metrics.text()


@pytest.mark.parametrize(
    ("texts", "question", "in_thread"),
    [
        (False, "Is there a crack?", False),
        (False, "Is there a crack? " * 300, True),
        (True, "Is there a crack?", True),
    ],
    ids=["words", "many words", "vectors"],
)
def test_passages_are_selected_in_a_thread_where_that_takes_long(
    index: KnowledgeIndex,
    by_words: KnowledgeIndex,
    encoder: Encoder,
    upstream: Upstream,
    texts: bool,
    question: str,
    in_thread: bool,
) -> None:
    """The same passages as `retrieve` finds, by words or by vectors of the text tower."""
    retriever = Watched(index if texts else by_words, encoder)
    assert retriever.selects_by_words is not texts
    with endpoint(retriever, upstream.url) as client:
        ask(client, asked(text_part(question), *SHOWN))
    assert len(retriever.threads) == 1
    assert (retriever.threads[0] == "mmad-rag-select") is in_thread
    expected = retriever.retrieve(question.strip(), open_image(RED))
    assert upstream.texts() == [f"{knowledge_text(expected)}\n\n", question]
