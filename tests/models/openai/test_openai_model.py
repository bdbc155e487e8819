"""`openai:` against a loopback server: what is sent, what is read, and which loop it happens in."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.errors import ModelRetryError
from mmad_rag.images import open_image
from mmad_rag.models import ModelOptions, load_model
from mmad_rag.models.openai.endpoint import find_endpoint
from mmad_rag.models.openai.response import Completion, read_answer
from mmad_rag.models.openai.retry import Failure, Patience
from mmad_rag.prompt import TextPart, render
from mmad_rag.records import MediaType, Prompt, Reply, Usage
from tests.support.servers.openai_asking import CHOICES, KEY, Naps, ask, picture, prompt
from tests.support.servers.openai_server import (
    Behaviour,
    OpenAIServer,
    Request,
    fails,
    hangs,
    json_body,
    replies,
)
from tests.support.waiting import wait_for_async

# What is sent


def test_the_request_holds_instruction_texts_and_pictures_in_order(openai_server: OpenAIServer) -> None:
    shown = Prompt(
        "Is there a defect?",
        image=picture(b"query", MediaType.JPEG),
        choices=CHOICES,
        references=(picture(b"good one", MediaType.WEBP), picture(b"good two", MediaType.PNG)),
    )
    model = load_model(
        "openai:some/model:7b", ModelOptions(base_url=openai_server.url, api_key=KEY, temperature=0.5, seed=7)
    )
    asyncio.run(model.answer(shown))

    (request,) = openai_server.requests
    rendered = render(shown)
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert {name: request.body[name] for name in request.body if name != "messages"} == {
        "model": "some/model:7b",
        "temperature": 0.5,
        "max_tokens": 256,
        "seed": 7,
    }
    system, user = request.body["messages"]
    assert system == {"role": "system", "content": rendered.system}
    assert user["role"] == "user"
    assert [part["type"] for part in user["content"]] == [
        "text" if isinstance(part, TextPart) else "image_url" for part in rendered.parts
    ]
    assert request.texts() == tuple(part.text for part in rendered.parts if isinstance(part, TextPart))
    assert request.image_urls() == tuple(
        f"data:{media_type};base64,{base64.b64encode(data).decode()}"
        for media_type, data in (
            ("image/webp", b"good one"),
            ("image/png", b"good two"),
            ("image/jpeg", b"query"),
        )
    )


def test_a_jpeg_that_is_called_png_is_sent_as_what_it_is(openai_server: OpenAIServer, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "wrong.png"
    Image.new("RGB", (3, 2), "red").save(path, format="JPEG")
    model = load_model("openai:m", ModelOptions(base_url=openai_server.url))
    asyncio.run(model.answer(Prompt("What is this?", image=open_image(path))))
    (url,) = openai_server.requests[0].image_urls()
    head, data = url.split(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(data) == path.read_bytes()


def test_a_question_without_a_picture_is_text_only(openai_server: OpenAIServer) -> None:
    model = load_model("openai:m", ModelOptions(base_url=openai_server.url))
    asyncio.run(model.answer(Prompt("What is this?", image=None)))
    assert openai_server.requests[0].image_urls() == ()


def test_options_that_are_none_are_left_out(openai_server: OpenAIServer) -> None:
    model = load_model(
        "openai:m", ModelOptions(base_url=openai_server.url, temperature=None, max_tokens=None)
    )
    asyncio.run(model.answer(prompt()))
    assert set(openai_server.requests[0].body) == {"model", "messages"}


def test_max_completion_tokens_takes_the_place_of_max_tokens(openai_server: OpenAIServer) -> None:
    model = load_model(
        "openai:o3", ModelOptions(base_url=openai_server.url, temperature=None, max_completion_tokens=2000)
    )
    asyncio.run(model.answer(prompt()))
    assert set(openai_server.requests[0].body) == {"model", "messages", "max_completion_tokens"}
    assert openai_server.requests[0].body["max_completion_tokens"] == 2000
    assert model.identity.endswith("/v1, max_completion_tokens=2000")


# What is read


def test_a_reply_carries_text_model_usage_and_latency(openai_server: OpenAIServer) -> None:
    openai_server.script(fails(500), replies(" B. \n", model="gpt-4o-2024", tokens=(1200, 3)))
    naps = Naps()
    assert ask(openai_server, naps=naps) == Reply(" B. \n", "gpt-4o-2024", Usage(1200, 3), 0.5, finish="stop")
    assert naps.slept == [0.5], "the latency holds the pause between the two attempts"


def test_usage_is_optional(openai_server: OpenAIServer) -> None:
    assert ask(openai_server, replies("B", tokens=None)).usage is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"choices": [{"message": {"content": "B"}}]}, "B"),
        ({"choices": [{"message": {"content": ["B", {"type": "text", "text": " it is"}]}}]}, "B it is"),
        ({"choices": [{"message": {"content": [{"type": "image"}, 7, None]}}]}, ""),
        ({"choices": [{"message": {"content": None, "refusal": "I will not."}}]}, "I will not."),
        ({"choices": [{"message": {"content": ""}}]}, ""),
        ({"choices": [{"message": {"content": None}}]}, ""),
        ({"choices": [{"message": {"content": None, "reasoning_content": "Let me look"}}]}, ""),
        ({"choices": [{"message": {}}], "error": None}, ""),
        ({"choices": [{"message": {}, "error": {"code": None, "message": ""}}], "error": {}}, ""),
    ],
)
def test_a_choice_without_content_gives_an_empty_text(
    openai_server: OpenAIServer, body: dict[str, object], text: str
) -> None:
    assert ask(openai_server, json_body(body)) == Reply(text, model="some-model")


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"content": None, "tool_calls": [{"function": {"name": "zoom"}}]}, r"\(zoom\)"),
        ({"tool_calls": [{"function": {"name": "zoom"}}, {"custom": {"name": "crop"}}]}, r"\(zoom, crop\)"),
        ({"content": "", "function_call": {"name": "look_up"}}, r"\(look_up\)"),
        ({"content": None, "tool_calls": [None]}, r"\(without a name\)"),
    ],
)
def test_a_tool_call_instead_of_text_fails_the_question(
    openai_server: OpenAIServer, message: dict[str, object], named: str
) -> None:
    with pytest.raises(ModelRetryError, match=f"a tool instead of answering {named}; switch tools off"):
        ask(openai_server, json_body({"choices": [{"message": message}]}))


def test_text_beside_a_tool_call_is_the_reply(openai_server: OpenAIServer) -> None:
    message = {"content": "B", "tool_calls": [{"function": {"name": "zoom"}}]}
    assert ask(openai_server, json_body({"choices": [{"message": message}]})).text == "B"


def test_a_body_is_read_whatever_media_type_it_claims(openai_server: OpenAIServer) -> None:
    plain = Behaviour(body=replies("B").body, media_type="text/plain")
    assert ask(openai_server, plain).text == "B"


def read(body: object) -> Completion | Failure:
    """How a response of status 200 is read; bytes are sent as they are."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    endpoint = find_endpoint("http://localhost:8000/v1", KEY)
    return read_answer(content, "application/json", endpoint=endpoint, patience=Patience())


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
def test_no_json_breaks_the_reading(message: object, usage: object, other: object) -> None:
    body = {"choices": [{"message": message}], "usage": usage, "model": other}
    assert isinstance(read(body), Completion | Failure)
    assert isinstance(message, dict) or isinstance(read(body), Failure)
    for odd in (
        {"choices": other, "error": message},
        {"choices": [{"message": {"content": usage}, "error": message, "finish_reason": other}]},
        {"code": message, "status": usage, "error": other},
        other,
    ):
        assert isinstance(read(odd), Completion | Failure)


@given(st.binary())
def test_no_bytes_break_the_reading(content: bytes) -> None:
    assert isinstance(read(content), Failure)


def test_json_nested_beyond_all_measure_is_not_a_completion() -> None:
    assert isinstance(read(b"[" * 100_000), Failure)


# Loops and concurrency


def test_one_model_serves_many_loops_and_reuses_connections_within_one(openai_server: OpenAIServer) -> None:
    model = load_model("openai:m", ModelOptions(base_url=openai_server.url))

    async def both() -> tuple[Reply, Reply]:
        return await model.answer(prompt()), await model.answer(prompt())

    for _ in range(3):
        assert [reply.text for reply in asyncio.run(both())] == ["A", "A"]
    ports = [request.client_port for request in openai_server.requests]
    assert [ports[n] == ports[n + 1] for n in range(5)] == [True, False, True, False, True]


def test_many_questions_at_once_each_get_their_own_reply(openai_server: OpenAIServer) -> None:
    def echo(request: Request) -> Behaviour:
        return replies(request.texts()[-1])

    openai_server.default = echo
    model = load_model("openai:m", ModelOptions(base_url=openai_server.url))

    async def crowd() -> list[Reply]:
        return await asyncio.gather(*(model.answer(prompt(f"number {n}")) for n in range(20)))

    texts = [reply.text for reply in asyncio.run(crowd())]
    assert all(f"number {n}\n" in text for n, text in enumerate(texts))


def test_a_question_can_be_cancelled(openai_server: OpenAIServer) -> None:
    openai_server.default = hangs()
    model = load_model("openai:m", ModelOptions(base_url=openai_server.url))

    async def cancelled() -> None:
        task = asyncio.create_task(model.answer(prompt()))
        await wait_for_async(lambda: openai_server.requests, "the question arrived")
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())
