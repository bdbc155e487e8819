"""Whose connections an asynchronous OpenAI client uses: those the SDK made, or those it was given."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import openai
import pytest

from mmad_rag.models.openai.client import ClientModel, made_by_sdk
from mmad_rag.records import Prompt
from tests.support.servers.openai_server import OpenAIServer

PROMPT = Prompt("Is there a defect?", None)


class Own(httpx.AsyncClient):
    """As someone might make one."""


def made(**options: Any) -> openai.AsyncOpenAI:  # noqa: ANN401 - the SDK's own
    return openai.AsyncOpenAI(base_url="http://localhost:1/v1", api_key="k", **options)


@pytest.mark.parametrize(
    "client",
    [
        made(),
        made(timeout=3, max_retries=0),
        made().with_options(timeout=5),
        openai.AsyncAzureOpenAI(azure_endpoint="http://localhost:1", api_key="k", api_version="2024-10-21"),
    ],
    ids=["plain", "with times", "copied", "azure"],
)
def test_connections_of_the_sdk_are_known_as_such(client: openai.AsyncOpenAI) -> None:
    """If this fails, the SDK has changed how it makes them, and no client may be asked in two loops."""
    assert made_by_sdk(client._client)


@pytest.mark.parametrize("make", [httpx.AsyncClient, openai.DefaultAsyncHttpxClient, Own])
def test_connections_that_were_given_are_known_as_such(make: Any) -> None:  # noqa: ANN401 - three classes
    """If this fails, the SDK gives out what it makes for itself, and a caller's connections are passed by."""
    client = made(http_client=make())
    assert not made_by_sdk(client._client)
    assert not made_by_sdk(client.with_options(timeout=5)._client)


def test_each_loop_asks_through_connections_of_its_own(openai_server: OpenAIServer) -> None:
    """The client's own are never opened; else the second loop would find them bound to the first."""
    client = openai.AsyncOpenAI(base_url=openai_server.url, api_key="k", max_retries=0)
    used: list[httpx.Request] = []

    async def note(request: httpx.Request) -> None:
        used.append(request)

    client._client.event_hooks = {"request": [note]}
    model = ClientModel(client, "m")
    assert [asyncio.run(model.answer(PROMPT)).text for _ in range(3)] == ["A", "A", "A"]
    assert used == []
    assert len(openai_server.requests) == 3
    asyncio.run(client.close())


@pytest.mark.parametrize("make", [httpx.AsyncClient, openai.DefaultAsyncHttpxClient, Own])
def test_given_connections_are_asked_through_and_left_open(
    openai_server: OpenAIServer,
    make: Any,  # noqa: ANN401 - three classes
) -> None:
    async def ask() -> bool:
        http = make(headers={"x-own": "yes"})
        client = openai.AsyncOpenAI(base_url=openai_server.url, api_key="k", max_retries=0, http_client=http)
        await ClientModel(client, "m").answer(PROMPT)
        still_open = not http.is_closed
        await http.aclose()
        return still_open

    assert asyncio.run(ask())
    assert openai_server.requests[-1].headers["x-own"] == "yes"
