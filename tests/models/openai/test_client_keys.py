"""The key of a client is its own matter: tokens of Entra ID, keys from functions, keys with spaces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import openai
import pytest

from mmad_rag.errors import ModelActionError, ModelError
from mmad_rag.models.adapt import as_model
from mmad_rag.models.openai.client import ClientModel
from mmad_rag.records import Prompt
from tests.support.servers.openai_server import OpenAIServer, Request, fails, json_body, replies

PROMPT = Prompt("Is there a defect?", None)
TOKEN = "a-token-of-entra-id"  # noqa: S105 - of a test
AZURE: dict[str, Any] = {"api_version": "2024-10-21", "max_retries": 0}


async def token_later() -> str:
    return TOKEN


def clients(url: str) -> dict[str, Callable[[], openai.OpenAI | openai.AsyncOpenAI]]:
    place = url.removesuffix("/v1")
    plain: dict[str, Any] = {"base_url": url, "max_retries": 0}
    azure: dict[str, Any] = {"azure_endpoint": place, **AZURE}
    return {
        "azure provider": lambda: openai.AzureOpenAI(azure_ad_token_provider=lambda: TOKEN, **azure),
        "azure provider, async": lambda: openai.AsyncAzureOpenAI(
            azure_ad_token_provider=lambda: TOKEN, **azure
        ),
        "azure async provider": lambda: openai.AsyncAzureOpenAI(azure_ad_token_provider=token_later, **azure),
        "azure token": lambda: openai.AzureOpenAI(azure_ad_token=TOKEN, **azure),
        "azure token, async": lambda: openai.AsyncAzureOpenAI(azure_ad_token=TOKEN, **azure),
        "azure key": lambda: openai.AzureOpenAI(api_key=TOKEN, **azure),
        "key function": lambda: openai.OpenAI(api_key=lambda: TOKEN, **plain),
        "key function, async": lambda: openai.AsyncOpenAI(api_key=token_later, **plain),
        "key in headers": lambda: openai.OpenAI(
            api_key="not used here", default_headers={"Authorization": f"Bearer {TOKEN}"}, **plain
        ),
    }


KINDS = tuple(clients("http://localhost/v1"))


@pytest.fixture(autouse=True)
def _no_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_client_is_asked_with_the_key_that_it_obtains(openai_server: OpenAIServer, kind: str) -> None:
    openai_server.default = replies("B")
    model = as_model(clients(openai_server.url)[kind](), model_name="dep")
    for _ in range(2):
        assert asyncio.run(model.answer(PROMPT)).text == "B"
    headers = openai_server.requests[-1].headers
    assert TOKEN in (headers.get("authorization", ""), headers.get("api-key", "")) or (
        headers["authorization"] == f"Bearer {TOKEN}"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_obtained_later_is_hidden_in_messages(openai_server: OpenAIServer, kind: str) -> None:
    def repeat(request: Request) -> Any:  # noqa: ANN401 - of the server
        return fails(401, f"wrong key {TOKEN} in {request.headers.get('authorization')}")

    openai_server.default = repeat
    with pytest.raises(ModelActionError, match="401") as caught:
        asyncio.run(ClientModel(clients(openai_server.url)[kind](), "dep").answer(PROMPT))
    assert TOKEN not in str(caught.value)
    assert "[hidden]" in str(caught.value)


def test_a_function_that_obtains_no_key_is_our_error(openai_server: OpenAIServer) -> None:
    def provider() -> str:
        raise RuntimeError("the identity service is away")

    client = openai.AzureOpenAI(azure_endpoint=openai_server.url, azure_ad_token_provider=provider, **AZURE)
    with pytest.raises(ModelActionError, match="the identity service is away"):
        asyncio.run(ClientModel(client, "dep").answer(PROMPT))
    assert openai_server.requests == []


@pytest.mark.parametrize("key", [" ", "two words", "line\nbreak", "schlüssel", "key "])
def test_an_odd_key_of_a_client_is_not_refused_before_it_is_sent(
    openai_server: OpenAIServer, key: str
) -> None:
    """What becomes of it is for the client and its endpoint to say, in an error of ours."""
    openai_server.default = json_body({"error": {"message": "no"}}, status=401)
    model = ClientModel(openai.OpenAI(api_key=key, base_url=openai_server.url, max_retries=0), "m")
    with pytest.raises(ModelError):
        asyncio.run(model.answer(PROMPT))
