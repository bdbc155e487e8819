"""Images that messages show, by every door: `augment`, a wrapped client, and the endpoint."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from mmad_rag import RagWrapper
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import ImageError
from mmad_rag.images import data_url, open_image
from mmad_rag.images.data_urls import unread_type
from mmad_rag.index import KnowledgeIndex
from mmad_rag.rag import Addition
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream as Target
from tests.images.files import chunk, encoded, exif, png16, png_chunks
from tests.support.servers.openai_server import OpenAIServer, json_body
from tests.support.servers.serving import (
    RED,
    Upstream,
    app_server,
    asked,
    image_part,
    text_part,
    upstream_server,
)

pytestmark = pytest.mark.slow

PNG = base64.b64encode(RED).decode()
JUNK = base64.b64encode(b"\x00\x00\x00\x18ftypheic" + bytes(40)).decode()
UNREAD = [
    f"data:image/heic;base64,{JUNK}",
    f"data:image/heif;base64,{JUNK}",
    f"DATA:IMAGE/HEIC;base64,{JUNK}",
    "data:image/svg+xml;base64,PHN2Zy8+",
    "data:image/svg+xml;utf8,<svg/>",
    "data:image/svg+xml,%3Csvg/%3E",
    "data:application/pdf;base64,JVBERi0xLjc=",
    "data:video/mp4;base64,AAAA",
    "data:image/heic;base64,@@@",
]
"""The provider may understand these, or say itself that it does not."""
BROKEN = [
    "data:image/png;base64,@@@",
    "data:image/png,plain",
    "data:image/png",
    f"data:image/png;base64,{JUNK}",
    f"data:image/png;base64,{PNG[:60]}",
    f"data:image/jpeg;charset=utf-8;base64,{JUNK}",
    f"data:image/jpg;base64,{JUNK}",
    f"data:IMAGE/WEBP;base64,{JUNK}",
    f"data:image/gif;base64,{JUNK}",
    f"data:image/bmp;base64,{JUNK}",
    f"data:image/tiff;base64,{JUNK}",
    f"data:application/octet-stream;base64,{JUNK}",
    f"data:;base64,{JUNK}",
    f"data:base64,{JUNK}",
    f"data:{PNG}",
    f"data:{PNG},",
    "data:image/heic",
    f"data:image/{'x' * 128};base64,{PNG[:60]}",
    "data:",
]
"""Meant for us, and no image."""
WHOLE = [
    f"data:{kind};base64,{PNG}"
    for kind in (
        "image/png",
        "IMAGE/PNG;charset=utf-8",
        "image/jpeg",
        "",
        "application/octet-stream",
        "image/*",
    )
]


@pytest.fixture(scope="module")
def retriever(index: KnowledgeIndex, encoder: Encoder) -> ClipRetriever:
    return ClipRetriever(index, encoder=encoder)


@pytest.fixture
def rag(retriever: ClipRetriever) -> RagWrapper:
    return RagWrapper(retriever=retriever)


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with upstream_server() as server:
        yield server


@pytest.fixture(scope="module")
def endpoint(upstream: Upstream, retriever: ClipRetriever) -> Iterator[httpx.Client]:
    limits = Limits()
    with (
        app_server(make_app(retriever, Target(upstream.url, limits=limits), limits=limits)) as base,
        httpx.Client(base_url=base, timeout=60, trust_env=False) as client,
    ):
        yield client


def body_of(url: str) -> dict[str, Any]:
    return asked(text_part("Is there a crack?"), image_part(url))


def post(endpoint: httpx.Client, body: dict[str, Any]) -> tuple[httpx.Response, bytes]:
    """The answer, and what was sent."""
    sent = json.dumps(body, indent=1).encode()
    headers = {"content-type": "application/json"}
    return endpoint.post("/v1/chat/completions", content=sent, headers=headers), sent


# ------------------------------------------------------------------------------------ declared media types


@pytest.mark.parametrize("url", UNREAD)
def test_a_type_that_is_not_read_goes_on_as_it_came(
    rag: RagWrapper, openai_server: OpenAIServer, endpoint: httpx.Client, upstream: Upstream, url: str
) -> None:
    addition = rag.consult(body_of(url)["messages"])
    assert addition.messages == body_of(url)["messages"]
    assert addition.knowledge is None
    assert addition.note.startswith(f"an image of type '{unread_type(url)}' is not read; send PNG, JPEG")

    notes: list[Addition] = []
    with openai.OpenAI(base_url=openai_server.url, api_key="k") as plain:
        rag.wrap(plain, report=notes.append).chat.completions.create(**body_of(url))
    assert openai_server.requests[-1].body == body_of(url)
    assert notes == [addition]

    response, sent = post(endpoint, body_of(url))
    assert (response.status_code, upstream.bodies[-1]) == (200, sent)
    assert response.headers["x-mmad-rag-outcome"] == "picture-unreadable"
    assert "x-mmad-rag-product" not in response.headers
    assert 'mmad_rag_knowledge_total{outcome="picture-unreadable"}' in endpoint.get("/metrics").text


@pytest.mark.parametrize("url", BROKEN)
def test_a_type_that_is_read_must_hold_a_whole_picture(
    rag: RagWrapper, openai_server: OpenAIServer, endpoint: httpx.Client, upstream: Upstream, url: str
) -> None:
    with pytest.raises(ImageError):
        rag.augment(body_of(url)["messages"])
    with openai.OpenAI(base_url=openai_server.url, api_key="k") as plain, pytest.raises(ImageError):
        rag.wrap(plain).chat.completions.create(**body_of(url))
    assert openai_server.requests == []
    before = len(upstream.bodies)
    response, _ = post(endpoint, body_of(url))
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_image")
    assert len(upstream.bodies) == before


@pytest.mark.parametrize("url", WHOLE)
def test_a_whole_picture_is_looked_up_whatever_readable_type_it_declares(
    rag: RagWrapper, endpoint: httpx.Client, url: str
) -> None:
    assert rag.consult(body_of(url)["messages"]).added
    response, _ = post(endpoint, body_of(url))
    assert response.headers["x-mmad-rag-product"] == "red_disc"


def test_only_the_picture_that_is_looked_up_matters(rag: RagWrapper) -> None:
    first, last = image_part(UNREAD[0]), image_part(WHOLE[0])
    assert rag.consult(asked(first, last)["messages"]).added
    assert not rag.consult(asked(last, first)["messages"]).added


def test_a_message_with_knowledge_says_so_before_its_picture_is_looked_at(
    endpoint: httpx.Client, rag: RagWrapper
) -> None:
    block = text_part("<reference_material>\nx\n</reference_material>")
    body = asked(block, image_part(UNREAD[0]))
    assert "already" in rag.consult(body["messages"]).note
    assert post(endpoint, body)[0].headers["x-mmad-rag-outcome"] == "already-there"


@pytest.mark.parametrize("kind", ["image/jp2", "image/avif", "image/x-eps", "application/postscript"])
def test_what_pillow_could_read_beside_our_formats_is_not_read(kind: str) -> None:
    assert unread_type(f"data:{kind};base64,AAAA") == kind


# ------------------------------------------------------------------------- images that models show otherwise

DISC = Image.open(io.BytesIO(RED)).convert("RGB")
DEEP = png16(np.asarray(DISC).astype(np.uint16) * 16)
"""The red disc in levels of 12 bits: a server that drops the low bytes shows it black."""
SHOWN_OTHERWISE = [
    DEEP,
    encoded(DISC, "PNG", exif=exif(3)),
    encoded(DISC, "BMP"),
    encoded(DISC, "TIFF"),
    png_chunks(RED, chunk(b"eXIf", b"Exif\0\0\0\x08")),
]


@pytest.mark.parametrize("data", SHOWN_OTHERWISE, ids=["12 bits", "turned", "BMP", "TIFF", "odd EXIF"])
def test_every_door_sends_the_image_that_the_encoder_saw(
    rag: RagWrapper, openai_server: OpenAIServer, endpoint: httpx.Client, upstream: Upstream, data: bytes
) -> None:
    given = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    assert open_image(data).data != data
    wanted = {"url": data_url(open_image(data)), "detail": "low"}
    other = image_part(UNREAD[0])
    body = asked(text_part("Is there a crack?"), other, image_part(given))
    body["messages"][0]["content"][-1]["image_url"]["detail"] = "low"
    before = json.dumps(body)

    for _ in range(2):  # opened, and then remembered
        added = rag.augment(body["messages"])
        shown = [part["image_url"] for part in added[0]["content"] if "image_url" in part]
        assert shown == [other["image_url"], wanted]
        with openai.OpenAI(base_url=openai_server.url, api_key="k") as plain:
            rag.wrap(plain).chat.completions.create(**body)
        assert openai_server.requests[-1].body["messages"] == added
        post(endpoint, body)
        assert json.loads(upstream.bodies[-1])["messages"] == added
    assert json.dumps(body) == before


# --------------------------------------------------------------------------------- what text parts are called


INPUT_IMAGE = {"type": "input_image", "image_url": WHOLE[0]}


def reply() -> dict[str, Any]:
    common = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}
    return {"id": "r1", "object": "response", "created_at": 1, "model": "m", "output": [], **common}


@pytest.mark.parametrize("part", [INPUT_IMAGE, image_part(WHOLE[0])])
def test_in_a_chat_completion_the_knowledge_is_a_text_part(
    rag: RagWrapper,
    openai_server: OpenAIServer,
    endpoint: httpx.Client,
    upstream: Upstream,
    part: dict[str, Any],
) -> None:
    """An upstream for chat completions may refuse `input_text`, which belongs to responses."""
    body = asked(part)
    with openai.OpenAI(base_url=openai_server.url, api_key="k") as plain:
        rag.wrap(plain).chat.completions.create(**body)
    block, kept = openai_server.requests[-1].body["messages"][0]["content"]
    assert block["type"] == "text"
    assert "red disc" in block["text"]
    assert kept == part
    post(endpoint, body)
    assert json.loads(upstream.bodies[-1])["messages"][0]["content"] == [block, kept]


@pytest.mark.parametrize("part", [INPUT_IMAGE, image_part(WHOLE[0])])
def test_in_a_response_the_knowledge_is_an_input_text_part(
    rag: RagWrapper, openai_server: OpenAIServer, part: dict[str, Any]
) -> None:
    openai_server.default = json_body(reply())
    items: Any = [{"role": "user", "content": [part]}]
    with openai.OpenAI(base_url=openai_server.url, api_key="k") as plain:
        rag.wrap(plain).responses.create(model="m", input=items)
    block, kept = openai_server.requests[-1].body["input"][0]["content"]
    assert block["type"] == "input_text"
    assert "red disc" in block["text"]
    assert kept == part


@pytest.mark.parametrize(("part", "kind"), [(INPUT_IMAGE, "input_text"), (image_part(WHOLE[0]), "text")])
def test_messages_for_who_knows_where_go_by_their_picture(
    rag: RagWrapper, part: dict[str, Any], kind: str
) -> None:
    assert rag.augment(asked(part)["messages"])[0]["content"][0]["type"] == kind
