"""A client of the openai package that adds knowledge to what it sends."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from mmad_rag import RagWrapper
from mmad_rag.errors import ImageError, InputError
from mmad_rag.rag import Addition
from tests.rag.conversations import QUESTION, RED, Watched, block_of, image, text, user
from tests.support.servers.openai_server import Behaviour, OpenAIServer, fails, json_body, replies


def client_for(server: OpenAIServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key="sk-test", max_retries=0)


@pytest.fixture
def plain(openai_server: OpenAIServer) -> Iterator[openai.OpenAI]:
    with client_for(openai_server) as client:
        yield client


def events(*bodies: dict[str, Any], done: bool = True) -> Behaviour:
    lines = [
        (f"event: {body['type']}\n" if "type" in body else "") + f"data: {json.dumps(body)}\n\n"
        for body in bodies
    ]
    return Behaviour(
        body="".join([*lines, "data: [DONE]\n\n" * done]).encode(), media_type="text/event-stream"
    )


def chunk(words: str | None, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": words}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}


def response(words: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": words, "annotations": []}]
    output = [{"type": "message", "id": "m1", "role": "assistant", "status": "completed", "content": content}]
    common = {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True}
    return {"id": "r1", "object": "response", "created_at": 1, "model": "m", "output": output, **common}


CONVERSATION: list[Any] = [
    {"role": "system", "content": "Be brief."},
    user(image(RED), text(QUESTION)),
]


ITEMS: list[Any] = [
    {
        "role": "user",
        "content": [
            {"type": "input_image", "image_url": RED, "detail": "auto"},
            {"type": "input_text", "text": QUESTION},
        ],
    }
]


def check_chat(server: OpenAIServer, rag: RagWrapper) -> None:
    """The last request is the conversation with knowledge, and nothing else was changed."""
    assert "/chat/completions" in server.requests[-1].path
    assert server.requests[-1].body["messages"] == [
        CONVERSATION[0],
        user(text(block_of(rag, QUESTION, RED)), image(RED), text(QUESTION)),
    ]


def check_response(server: OpenAIServer, rag: RagWrapper) -> None:
    (item,) = server.requests[-1].body["input"]
    assert item["content"][0] == {"type": "input_text", "text": block_of(rag, QUESTION, RED)}
    assert item["content"][1:] == ITEMS[0]["content"]


def test_a_wrapped_clients_chat_carries_knowledge(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    before = copy.deepcopy(CONVERSATION)
    client = rag.wrap(plain)
    completion = client.chat.completions.create(model="m", messages=CONVERSATION, temperature=0.5)
    assert completion.choices[0].message.content == "A"
    check_chat(openai_server, rag)
    assert openai_server.requests[-1].body["temperature"] == 0.5
    assert before == CONVERSATION


def test_a_streamed_chat_carries_knowledge(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    openai_server.default = events(chunk("The "), chunk("answer"), chunk(None, "stop"))
    stream = rag.wrap(plain).chat.completions.create(model="m", messages=CONVERSATION, stream=True)
    assert "".join(part.choices[0].delta.content or "" for part in stream) == "The answer"
    check_chat(openai_server, rag)
    with rag.wrap(plain).chat.completions.stream(model="m", messages=CONVERSATION) as helper:
        assert helper.get_final_completion().choices[0].message.content == "The answer"
    check_chat(openai_server, rag)


class Verdict(BaseModel):
    defect: bool


def test_the_other_ways_to_a_chat_completion_carry_it_too(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    openai_server.default = replies('{"defect": true}')
    client = rag.wrap(plain)
    parsed = client.chat.completions.parse(model="m", messages=CONVERSATION, response_format=Verdict)
    assert parsed.choices[0].message.parsed == Verdict(defect=True)
    check_chat(openai_server, rag)
    raw = client.chat.completions.with_raw_response.create(model="m", messages=CONVERSATION)
    assert raw.headers["content-type"] == "application/json"
    check_chat(openai_server, rag)
    with client.with_streaming_response.chat.completions.create(model="m", messages=CONVERSATION) as body:
        assert "defect" in body.read().decode()
    check_chat(openai_server, rag)
    client.with_options(timeout=5).chat.completions.create(model="m", messages=CONVERSATION)
    check_chat(openai_server, rag)


def test_a_wrapped_clients_responses_carry_knowledge(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    openai_server.default = json_body(response("No."))
    client = rag.wrap(plain)
    assert client.responses.create(model="m", input=ITEMS).output_text == "No."
    check_response(openai_server, rag)
    done = {"type": "response.completed", "sequence_number": 1, "response": response("No.")}
    openai_server.default = events(done, done=False)
    (event,) = client.responses.create(model="m", input=ITEMS, stream=True)
    assert event.type == "response.completed"
    check_response(openai_server, rag)


def test_an_asynchronous_client_carries_knowledge(openai_server: OpenAIServer, rag: RagWrapper) -> None:
    async def ask() -> str:
        async with openai.AsyncOpenAI(base_url=openai_server.url, api_key="sk-test") as plain:
            client = rag.wrap(plain)
            await client.chat.completions.create(model="m", messages=CONVERSATION)
            check_chat(openai_server, rag)
            openai_server.default = json_body(response("No."))
            await client.responses.create(model="m", input=ITEMS)
            check_response(openai_server, rag)
            openai_server.default = events(chunk("Ye"), chunk("s", "stop"))
            stream = await client.chat.completions.create(model="m", messages=CONVERSATION, stream=True)
            words = [part.choices[0].delta.content or "" async for part in stream]
            check_chat(openai_server, rag)
            openai_server.default = replies("A")
            await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            assert openai_server.requests[-1].body["messages"] == [{"role": "user", "content": "hi"}]
            openai_server.default = fails(404)
            with pytest.raises(openai.NotFoundError):
                await client.embeddings.create(model="m", input="red")
            return "".join(words)

    assert asyncio.run(ask()) == "Yes"


def test_a_request_without_a_picture_is_sent_byte_for_byte(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper, watched: Watched
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "zoom", "arguments": "{}"}}
    tool: Any = {"type": "function", "function": {"name": "zoom", "parameters": {"type": "object"}}}
    conversations: list[Any] = [
        [{"role": "user", "content": QUESTION}],
        [
            {"role": "user", "content": [text("look")]},
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ],
        [user(image("https://example.org/x.png"), text(QUESTION))],
    ]
    for messages in conversations:
        for client in (plain, rag.wrap(plain)):
            client.chat.completions.create(
                model="m",
                messages=messages,
                tools=[tool],
                extra_headers={"x-id": "1"},
                extra_body={"top_k": 3},
            )
        first, second = openai_server.requests[-2:]
        assert json.dumps(first.body) == json.dumps(second.body)
        differing = {"x-stainless-raw-response", "host"}
        assert first.headers.keys() - differing == second.headers.keys() - differing
        assert first.headers["content-length"] == second.headers["content-length"]
    openai_server.default = json_body(response("hello"))
    rag.wrap(plain).responses.create(model="m", input="hi")
    assert openai_server.requests[-1].body == {"model": "m", "input": "hi"}
    assert watched.asked == []


def test_a_tool_call_in_the_reply_comes_through(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "zoom", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    openai_server.default = json_body(
        {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    )
    client = rag.wrap(plain)
    completion = client.chat.completions.create(model="m", messages=CONVERSATION)
    answer = completion.choices[0].message
    assert answer.tool_calls is not None
    assert answer.tool_calls[0].id == "c1"
    further: list[Any] = [*CONVERSATION, answer, {"role": "tool", "tool_call_id": "c1", "content": "bigger"}]
    client.chat.completions.create(model="m", messages=further)
    sent = openai_server.requests[-1].body["messages"]
    assert sent[1]["content"][0] == text(block_of(rag, QUESTION, RED))
    assert sent[2]["tool_calls"] == [call]
    assert sent[3] == further[3]


def test_everything_else_is_the_clients_own(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    plain.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    client = rag.wrap(plain)
    assert isinstance(client, openai.OpenAI)
    assert client.base_url == plain.base_url
    assert client.api_key == "sk-test"
    assert client.models._client is client
    openai_server.default = fails(404, "no such thing")
    with pytest.raises(openai.NotFoundError, match="no such thing"):
        client.embeddings.create(model="m", input="red")
    openai_server.default = replies("B")
    plain.chat.completions.create(model="m", messages=CONVERSATION)
    assert openai_server.requests[-1].body["messages"] == CONVERSATION


def test_azures_kind_of_client_can_be_wrapped(openai_server: OpenAIServer, rag: RagWrapper) -> None:
    endpoint = openai_server.url.removesuffix("/v1")
    with openai.AzureOpenAI(azure_endpoint=endpoint, api_key="k", api_version="2024-10-21") as azure:
        rag.wrap(azure).chat.completions.create(model="dep", messages=CONVERSATION)
    assert openai_server.requests[-1].path.startswith("/openai/deployments/dep/chat/completions")
    check_chat(openai_server, rag)


def test_each_conversation_is_reported(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    reports: list[Addition] = []
    client = rag.wrap(plain, report=reports.append)
    client.chat.completions.create(model="m", messages=CONVERSATION)
    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    openai_server.default = fails(404)
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="m", input="red")
    assert [report.note for report in reports] == ["", "no message of the user shows an image"]
    assert reports[0].knowledge is not None
    assert reports[0].knowledge.route.products == ("red_disc",)


def test_a_broken_picture_is_an_error_before_anything_is_sent(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    broken: list[Any] = [user(image("data:image/png;base64,@@@"), text(QUESTION))]
    with pytest.raises(ImageError, match="valid base64"):
        rag.wrap(plain).chat.completions.create(model="m", messages=broken)
    assert openai_server.requests == []


def test_upstream_errors_are_the_sdks_own(
    openai_server: OpenAIServer, plain: openai.OpenAI, rag: RagWrapper
) -> None:
    openai_server.default = fails(429, "slow down")
    with pytest.raises(openai.RateLimitError, match="slow down"):
        rag.wrap(plain).chat.completions.create(model="m", messages=CONVERSATION)


def test_no_client_and_no_client_twice(plain: openai.OpenAI, rag: RagWrapper, watched: Watched) -> None:
    with pytest.raises(InputError, match="Path is not an openai"):
        rag.wrap(Path.home())
    with pytest.raises(InputError, match="adds knowledge already"):
        rag.wrap(rag.wrap(plain))
    with pytest.raises(InputError, match="adds knowledge already"):
        RagWrapper(rag.wrap(plain), retriever=watched, model_name="m")
