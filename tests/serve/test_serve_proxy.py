"""The endpoint behind a proxy of its environment."""

from __future__ import annotations

import base64
import logging
import socket
from collections.abc import Iterator

import pytest

from mmad_rag.errors import SpecError
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.servers.serving import (
    RED,
    Upstream,
    ask,
    asked,
    data_url,
    endpoint,
    image_part,
    text_part,
    upstream_server,
)

QUESTION = asked(text_part("Is there a crack?"), image_part(data_url(RED)))


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """The scripted upstream as a proxy of the environment: it is sent whole addresses, and answers itself."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with upstream_server() as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:p%40ss@127.0.0.1:{server.port}")
        yield server


def test_the_environments_proxy_is_used_with_its_password(retriever: ClipRetriever, proxy: Upstream) -> None:
    with endpoint(retriever, "http://models.invalid/v1") as client:
        response = ask(client, QUESTION)
    assert response.json()["choices"][0]["message"]["content"] == "B"
    headers = proxy.headers[-1]
    assert headers["host"] == "models.invalid"
    assert headers["proxy-authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()


def test_a_proxy_may_be_named_without_a_scheme(
    retriever: ClipRetriever, proxy: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
    with endpoint(retriever, "http://models.invalid/v1") as client:
        assert ask(client, QUESTION).status_code == 200
    assert "proxy-authorization" not in proxy.headers[-1]


@pytest.mark.parametrize("exempt", ["127.0.0.1", "localhost,127.0.0.1", "*"])
def test_no_proxy_goes_straight_to_the_upstream(
    retriever: ClipRetriever, proxy: Upstream, monkeypatch: pytest.MonkeyPatch, exempt: str
) -> None:
    monkeypatch.setenv("NO_PROXY", exempt)
    with upstream_server() as target, endpoint(retriever, target.url) as client:
        assert ask(client, QUESTION).status_code == 200
        assert len(target.bodies) == 1
        assert "proxy-authorization" not in target.headers[-1]
    assert proxy.bodies == []


def test_a_proxy_that_is_not_there_keeps_its_password_to_itself(
    retriever: ClipRetriever,
    proxy: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HTTP_PROXY", f"http://me:sesame@127.0.0.1:{port}")
    with caplog.at_level(logging.INFO), endpoint(retriever, "http://models.invalid/v1") as client:
        response = ask(client, QUESTION)
    assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_unreachable")
    assert "sesame" not in response.text + caplog.text
    assert proxy.bodies == []


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:9", "ftp://127.0.0.1:9", "http://127.0.0.1:port", "http://"]
)
def test_a_proxy_that_is_no_http_address_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(SpecError, match="the environment's proxy for http: addresses is not an http address"):
        Target("http://upstream.example/v1", limits=Limits())
