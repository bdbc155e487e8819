"""Starting and stopping the server."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web
from typer.testing import CliRunner

from mmad_rag.cli.app import app as command_line
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import ExtraError, InputError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.server import address_of, listen, run
from mmad_rag.serve.token import Token
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.servers.server_process import answers
from tests.support.servers.serving import Upstream, completion, upstream_server
from tests.support.waiting import wait_for, wait_for_async


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with upstream_server() as server:
        yield server


def stop_when_asked(upstream: Upstream, url: str, number: int, replies: list[httpx.Response]) -> None:
    """One request; a stop signal while it is being answered."""
    release = threading.Event()

    async def slow(_request: web.Request) -> web.StreamResponse:
        await wait_for_async(release.is_set, "the signal was sent")
        await asyncio.sleep(0.3)
        return web.json_response(completion("late"))

    def post() -> None:
        replies.append(httpx.post(url, json={"messages": []}, trust_env=False, timeout=60))

    upstream.behaviour = slow
    thread = threading.Thread(target=post)
    thread.start()
    assert upstream.arrived.wait(60)
    os.kill(os.getpid(), number)
    release.set()
    thread.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_a_stop_signal_lets_requests_in_flight_end(
    index: KnowledgeIndex, encoder: Encoder, upstream: Upstream, number: int
) -> None:
    """And returns normally, with the handlers of signals as they were."""
    before = signal.getsignal(signal.SIGTERM)
    app = make_app(ClipRetriever(index, encoder=encoder), Target(upstream.url, limits=Limits()))
    replies: list[httpx.Response] = []
    with listen("127.0.0.1", 0, token=None) as listener:
        url = f"{address_of(listener)}/chat/completions"
        client = threading.Thread(target=stop_when_asked, args=(upstream, url, number, replies))
        client.start()
        run(app, listener, grace_s=10)
        client.join()
    assert replies[0].json() == completion("late")
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_open_address_needs_a_token() -> None:
    with pytest.raises(InputError, match="MMAD_RAG_TOKEN"):
        listen("0.0.0.0", 0, token=None)  # noqa: S104 - refused
    with listen("0.0.0.0", 0, token=Token("x" * 16)) as listener:  # noqa: S104 - for a moment
        assert address_of(listener).startswith("http://0.0.0.0:")


def test_an_address_in_use_or_unknown_is_named() -> None:
    with listen("localhost", 0, token=None) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on localhost:{port}"):
            listen("localhost", port, token=None)
    with pytest.raises(InputError, match="cannot listen on nowhere"):
        listen("nowhere.invalid", 0, token=None)


def test_an_ipv6_address_is_written_as_a_url() -> None:
    try:
        listener = listen("::1", 0, token=None)
    except InputError:
        pytest.skip("this machine has no IPv6")
    with listener:
        assert address_of(listener).startswith("http://[::1]:")


def test_the_command_serves_an_index(
    tmp_path: Path,
    encoder: Encoder,
    index: KnowledgeIndex,
    upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mmad_rag.retrieve.clip.load_encoder", lambda _spec: encoder)
    monkeypatch.delenv("MMAD_RAG_TOKEN", raising=False)
    index.save(tmp_path / "index")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    replies: list[httpx.Response] = []

    def ask() -> None:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{url}/healthz"), "the endpoint answers")
        stop_when_asked(upstream, f"{url}/v1/chat/completions", signal.SIGINT, replies)

    client = threading.Thread(target=ask)
    client.start()
    words = ["serve", "--upstream", upstream.url, "--index", str(tmp_path / "index"), "--port", str(port)]
    result = CliRunner().invoke(command_line, words)
    client.join()
    assert result.exit_code == 0, result.output
    assert f"listening on http://127.0.0.1:{port}/v1, forwarding to 127.0.0.1:" in result.output
    assert result.output.endswith("stopped\n")
    assert replies[0].headers["x-mmad-rag-outcome"] == "no-picture"


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(command_line, ["serve", "--upstream", "http://localhost:1/v1"])
    assert isinstance(result.exception, ExtraError)
    assert "pip install 'mmad-rag[serve]'" in str(result.exception)
