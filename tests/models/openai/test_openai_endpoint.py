"""Address and key of an endpoint: where they come from, and where they never show."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.errors import ModelActionError, SpecError
from mmad_rag.models import ModelOptions, load_model
from mmad_rag.models.openai.endpoint import find_endpoint
from tests.support.openai_asking import KEY, prompt
from tests.support.openai_server import (
    OpenAIServer,
)


def test_address_and_key_come_from_the_environment(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url + "/")
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    asyncio.run(load_model("openai:m").answer(prompt()))
    assert openai_server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert openai_server.requests[0].path == "/v1/chat/completions"


def test_what_is_handed_in_goes_before_the_environment(
    openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "other")
    asyncio.run(
        load_model("openai:m", ModelOptions(base_url=openai_server.url, api_key=KEY)).answer(prompt())
    )
    assert openai_server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("base_url", [None, "https://API.openai.com/v1"])
def test_openai_itself_is_not_asked_without_a_key(base_url: str | None) -> None:
    with pytest.raises(ModelActionError, match=r"no API key for api\.openai\.com/v1; set OPENAI_API_KEY"):
        load_model("openai:gpt-4o", ModelOptions(base_url=base_url))


def test_a_local_server_is_asked_without_a_key(openai_server: OpenAIServer) -> None:
    assert (
        asyncio.run(load_model("openai:m", ModelOptions(base_url=openai_server.url)).answer(prompt())).text
        == "A"
    )


@pytest.mark.parametrize("key", ["sk one", "sk\nx", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ModelActionError, match="set OPENAI_API_KEY again") as caught:
        load_model("openai:gpt-4o", ModelOptions(api_key=key))
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:8000/v1", "is not an http or https address"),
        ("ftp://host/v1", "is not an http or https address"),
        ("http:///v1", "is not an http or https address"),
        ("http://host:99999/v1", "cannot be read"),
        ("http://[::1/v1", "cannot be read"),
        ("http://host/v1?api-version=1", "has a query or a fragment"),
        ("http://host/v1#x", "has a query or a fragment"),
    ],
)
def test_an_unusable_base_url_is_refused_with_an_example(url: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        find_endpoint(url, KEY)
    assert "give an address such as http://localhost:8000/v1" in str(caught.value)


@pytest.mark.parametrize(
    "url", ["ftp://user:hunter2@host", "http://user:hunter2@host:x", "http://user:hunter2@host/v1?k=hunter2"]
)
def test_a_refused_base_url_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(SpecError) as caught:
        find_endpoint(url, KEY)
    assert "hunter2" not in str(caught.value)


def test_an_endpoint_is_shown_by_host_port_and_path() -> None:
    assert find_endpoint("http://USER:hun%20ter@Example.com:81/v1/", KEY).place == "example.com:81/v1"
    assert find_endpoint("http://[::1]:81/v1", KEY).place == "[::1]:81/v1"
    assert "hun" not in repr(find_endpoint("http://user:hun%20ter@host/v1", KEY))
    assert KEY not in repr(find_endpoint("http://host/v1", KEY))


@given(st.text(), st.text())
def test_a_quote_is_one_short_line_without_secrets(before: str, after: str) -> None:
    endpoint = find_endpoint("http://user:hun%20ter@host/v1", KEY)
    for secret in (KEY, "hun%20ter", "hun ter"):
        quote = endpoint.quote(f"{before}{secret}{after}")
        assert secret not in quote
        assert len(quote) <= 303
        assert len(quote.splitlines()) <= 1


def test_a_stand_in_for_a_key_blots_nothing_out() -> None:
    assert find_endpoint("http://host/v1", "k").quote("no luck") == "no luck"
    assert find_endpoint("http://host/v1", "sk-123").quote("key sk-123") == "key [hidden]"


def test_the_identity_holds_what_changes_a_reply_and_no_secret() -> None:
    model = load_model(
        "openai:gpt-4o", ModelOptions(base_url="http://user:hunter2@host:81/v1", api_key=KEY, seed=3)
    )
    assert model.identity == "openai:gpt-4o at host:81/v1, temperature=0.0, max_tokens=256, seed=3"
    assert (
        model.identity
        == load_model("openai:gpt-4o", ModelOptions(base_url="https://host:81/v1/", seed=3)).identity
    )
