"""Clients of the openai package as models."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import openai
import pytest

from mmad_rag import RagWrapper
from mmad_rag.errors import (
    ModelActionError,
    ModelRetryError,
    ModelSetUpError,
)
from mmad_rag.models import ModelOptions
from mmad_rag.models.openai.client import ClientModel
from mmad_rag.records import Prompt
from mmad_rag.retrieve import ClipRetriever
from tests.rag.asking import CHOICES, QUESTION, RED, client_for, first_text
from tests.support.servers.openai_server import OpenAIServer, drops, fails, hangs, html, json_body, replies
from tests.support.world import COLOURS, png


def async_client_for(server: OpenAIServer, **options: Any) -> openai.AsyncOpenAI:  # noqa: ANN401
    return openai.AsyncOpenAI(base_url=server.url, api_key="sk-secret", max_retries=0, **options)


def test_a_client_is_asked_for_the_named_model(openai_server: OpenAIServer, retriever: ClipRetriever) -> None:
    openai_server.default = replies("B", tokens=(120, 2))
    with client_for(openai_server, default_headers={"x-line": "7"}) as client:
        rag = RagWrapper(client, retriever=retriever, model_name="gpt-x")
        answer = rag.ask(RED, QUESTION, CHOICES)
    assert (answer.text, answer.choice, answer.model) == ("B", "B", "served-model")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 120
    (request,) = openai_server.requests
    assert sorted(request.body) == ["messages", "model"]
    assert request.body["model"] == "gpt-x"
    assert request.headers["x-line"] == "7"
    assert answer.knowledge is not None
    assert request.texts()[0] == first_text(answer.knowledge)
    assert rag.model.identity == f"openai:gpt-x at {openai_server.url.removeprefix('http://')}"


def test_sampling_is_sent_and_part_of_the_identity(openai_server: OpenAIServer) -> None:
    with client_for(openai_server) as client:
        model = ClientModel(client, "m", ModelOptions(max_tokens=None, seed=3))
        asyncio.run(model.answer(Prompt(QUESTION, None)))
    assert model.identity.endswith(", temperature=0.0, seed=3")
    assert (openai_server.requests[0].body["temperature"], openai_server.requests[0].body["seed"]) == (0.0, 3)


def test_an_async_client_may_be_asked_in_one_loop_after_another(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    """Each `ask` runs a loop of its own; the caller's client is neither broken nor closed by that."""
    client = async_client_for(openai_server)
    rag = RagWrapper(client, retriever=retriever, model_name="m")
    assert [rag.ask(RED, QUESTION).text for _ in range(3)] == ["A", "A", "A"]

    async def own_use() -> bool:
        await rag.aask(RED, QUESTION)
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        still_open = not client.is_closed()
        await client.close()
        return still_open

    assert asyncio.run(own_use())
    assert len(openai_server.requests) == 5


def test_connections_that_the_caller_made_are_used_and_left_open(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    async def ask() -> bool:
        http = httpx.AsyncClient(headers={"x-own": "yes"})
        client = async_client_for(openai_server, http_client=http)
        await RagWrapper(client, retriever=retriever, model_name="m").aask(RED, QUESTION)
        still_open = not http.is_closed
        await http.aclose()
        return still_open

    assert asyncio.run(ask())
    assert openai_server.requests[0].headers["x-own"] == "yes"


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        (fails(401), ModelActionError, "check the key"),
        (fails(500), ModelRetryError, "HTTP 500"),
        (fails(400), ModelRetryError, "this question cannot be asked"),
        (html(), ModelActionError, "not a chat completion"),
        (drops(), ModelRetryError, "broke"),
        (hangs(), ModelRetryError, "no answer in time"),
        (json_body({"error": {"message": "boom"}}), ModelRetryError, "boom"),
    ],
)
@pytest.mark.parametrize("make", [client_for, async_client_for])
def test_a_clients_failures_are_ours_and_hide_its_key(
    openai_server: OpenAIServer,
    make: Any,  # noqa: ANN401 - two functions of different types
    behaviour: Any,  # noqa: ANN401
    error: type[Exception],
    message: str,
) -> None:
    openai_server.default = behaviour
    hasty = behaviour.hangs
    model = ClientModel(make(openai_server, timeout=0.2 if hasty else 60.0), "m")
    with pytest.raises(error, match=message) as caught:
        asyncio.run(model.answer(Prompt(QUESTION, None)))
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_client_whose_first_questions_are_all_refused_alike_stops_the_asking(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    openai_server.default = fails(400, "API key not valid")
    with client_for(openai_server) as client:
        rag = RagWrapper(client, retriever=retriever, model_name="m")
        pictures = [png(COLOURS["red"], shade=number) for number in range(20)]
        answers = rag.ask_many([(red, QUESTION) for red in pictures], concurrency=1, progress=False)
    assert [type(answer) for answer in answers] == [ModelRetryError] * 7 + [ModelSetUpError] * 13
    assert len(openai_server.requests) == 8


def test_rate_limits_over_a_client_are_no_refusals_of_the_set_up(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    openai_server.default = fails(429)
    with client_for(openai_server) as client:
        rag = RagWrapper(client, retriever=retriever, model_name="m")
        pictures = [png(COLOURS["red"], shade=number) for number in range(12)]
        answers = rag.ask_many([(red, QUESTION) for red in pictures], concurrency=1, progress=False)
    assert [type(answer) for answer in answers] == [ModelRetryError] * 12


def test_half_a_character_cannot_be_sent(openai_server: OpenAIServer) -> None:
    with client_for(openai_server) as client, pytest.raises(ModelRetryError, match="lone surrogate"):
        asyncio.run(ClientModel(client, "m").answer(Prompt("\ud800", None)))


def test_a_client_that_loses_its_key_says_so(openai_server: OpenAIServer) -> None:
    with client_for(openai_server) as client:
        client.api_key = ""
        model = ClientModel(client, "m")
        with pytest.raises(ModelActionError):
            asyncio.run(model.answer(Prompt(QUESTION, None)))
