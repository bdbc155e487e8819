"""Proxy and certificate settings that cannot be used are named, at every door that connects."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import openai
import pytest

from mmad_rag.benchmark.dataset.hub import Hub
from mmad_rag.encoders.hub import quick_hub
from mmad_rag.errors import DataError, EncoderError, MmadRagError, ModelActionError, SpecError
from mmad_rag.models import ModelOptions, load_model
from mmad_rag.models.openai.client import ClientModel
from mmad_rag.network import proxy_setting, settings_fault, usable_settings
from mmad_rag.records import Prompt
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream
from tests.support.paths import ROOT
from tests.support.servers.openai_server import OpenAIServer, replies

PROMPT = Prompt("Is there a defect?", None)
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "REQUEST_METHOD")
VARIABLES = (*PROXIES, "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
SECRET = "swordfish"  # noqa: S105 - of a test


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


WRONG = [
    ("ALL_PROXY", "socks://localhost:1080", "socks proxy"),
    ("all_proxy", "socks://localhost:1080", "socks proxy"),
    ("ALL_PROXY", "socks4://localhost:1080", "socks4 proxy"),
    ("ALL_PROXY", "SOCKS5://localhost:1080", "pip install socksio"),
    ("HTTPS_PROXY", "socks5h://localhost:1080", "pip install socksio"),
    ("HTTP_PROXY", f"ftp://me:{SECRET}@localhost", "ftp proxy"),
    ("HTTP_PROXY", f"http://me:{SECRET}@[::1", "address of a proxy"),
    ("HTTP_PROXY", f"http://me:{SECRET}@host:port", "address of a proxy"),
    ("HTTP_PROXY", f"http://me:{SECRET}@host:99999", "address of a proxy"),
    ("HTTPS_PROXY", f"http://me:{SECRET}/x@host:1", "address of a proxy"),
    ("HTTPS_PROXY", "http://", "address of a proxy"),
    ("HTTPS_PROXY", "http://:8080", "address of a proxy"),
    ("HTTPS_PROXY", "foo bar", "address of a proxy"),
    ("HTTPS_PROXY", "http://a\nb:1", "address of a proxy"),
    ("NO_PROXY", "[::1]", "without brackets"),
    ("no_proxy", "localhost,[::1]:8080", "without brackets"),
    ("NO_PROXY", "fe80::/10", "not a host"),
    ("NO_PROXY", "host:port", "not a host"),
    ("SSL_CERT_FILE", "/absent/ca.pem", "does not exist"),
    ("SSL_CERT_FILE", "/", "is a folder"),
    ("SSL_CERT_FILE", __file__, "holds no certificates"),
    ("SSL_CERT_DIR", "/absent", "does not exist"),
    ("SSL_CERT_DIR", __file__, "is not a folder"),
    ("REQUESTS_CA_BUNDLE", "/absent/ca.pem", "does not exist"),
    ("CURL_CA_BUNDLE", "/absent/ca.pem", "does not exist"),
]


@pytest.mark.parametrize(("name", "value", "said"), WRONG)
def test_what_is_wrong_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    fault = settings_fault()
    assert fault is not None
    assert fault.startswith(name)
    assert said in fault
    assert SECRET not in fault
    assert "\n" not in fault


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP_PROXY", "http://me:pw@proxy.example:3128"),
        ("HTTP_PROXY", "proxy.example:3128"),
        ("HTTPS_PROXY", "https://[::1]:3128/"),
        ("HTTP_PROXY", "  "),
        ("NO_PROXY", "localhost, 127.0.0.1,::1,.example,*.example,host:8080,10.0.0.0/8,"),
        ("NO_PROXY", "*"),
        ("NO_PROXY", "https://example.org"),
        ("SSL_CERT_FILE", ""),
        ("SSL_CERT_DIR", "/"),
    ],
)
def test_good_settings_have_no_fault(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert settings_fault() is None


def test_an_unknown_fault_names_what_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@proxy.example:1")
    with pytest.raises(DataError, match="HTTPS_PROXY") as caught, usable_settings(DataError):
        raise ValueError(f"something about {SECRET}")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    monkeypatch.delenv("HTTPS_PROXY")
    with pytest.raises(LookupError), usable_settings(DataError):
        raise LookupError("of something else")


# -------------------------------------------------------------------------------------------------- doors


def ask_a_spec() -> None:
    options = ModelOptions(base_url="https://models.invalid/v1", api_key="key-of-a-test")
    asyncio.run(load_model("openai:m", options).answer(PROMPT))


def ask_a_client() -> None:
    """One that was made before the setting became stale."""
    asyncio.run(ClientModel(CLIENT, "m").answer(PROMPT))


def make_an_upstream() -> None:
    Upstream("https://models.invalid/v1", limits=Limits())


def ask_a_hub() -> None:
    Hub("owner/name", endpoint="https://hub.invalid")


def load_from_a_hub() -> None:
    with quick_hub():
        httpx.Client()


CLIENT = openai.AsyncOpenAI(api_key="key-of-a-test", base_url="http://localhost:1", max_retries=0)
STOPS_HTTPX = [wrong for wrong in WRONG[:4] if wrong[1].islower()] + [
    ("HTTP_PROXY", "ftp://localhost", "ftp proxy"),
    ("HTTP_PROXY", f"http://me:{SECRET}@host:port", "address of a proxy"),
    ("NO_PROXY", "[::1]", "without brackets"),
]


@pytest.mark.parametrize(("name", "value", "said"), STOPS_HTTPX)
@pytest.mark.parametrize(
    ("door", "kind"),
    [
        (ask_a_spec, ModelActionError),
        (ask_a_client, ModelActionError),
        (ask_a_hub, DataError),
        (load_from_a_hub, EncoderError),
    ],
)
def test_every_door_raises_our_error(
    monkeypatch: pytest.MonkeyPatch,
    door: Callable[[], None],
    kind: type[MmadRagError],
    name: str,
    value: str,
    said: str,
) -> None:
    monkeypatch.setattr(Hub, "_stored_token", lambda: None, raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(kind) as caught:
        door()
    assert name in str(caught.value)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "socks5://localhost:1"),
        ("ALL_PROXY", "socks://localhost:1"),
        ("https_proxy", "http://host:port"),
        ("SSL_CERT_FILE", "/absent/ca.pem"),
        ("SSL_CERT_DIR", "/absent"),
    ],
)
def test_an_upstream_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SpecError, match=name):
        make_an_upstream()
    Upstream("http://localhost:1/v1", limits=Limits()) if name != "ALL_PROXY" else None


def test_a_proxy_that_does_not_run_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{SECRET}@127.0.0.1:9")
    with pytest.raises(ModelActionError, match="HTTPS_PROXY names the proxy") as caught:
        ask_a_spec()
    assert SECRET not in str(caught.value)


def test_ipv6_hosts_are_excepted_with_and_without_brackets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:1")
    assert proxy_setting("http://[::1]:8000/v1") == ("HTTP_PROXY", "http://proxy.example:1")
    for value in ("::1", "[::1]"):
        monkeypatch.setenv("NO_PROXY", value)
        assert proxy_setting("http://[::1]:8000/v1") is None


def test_a_client_with_connections_of_its_own_is_not_touched_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, openai_server: OpenAIServer
) -> None:
    openai_server.default = replies("B")
    monkeypatch.setenv("ALL_PROXY", "socks://localhost:1")

    async def ask() -> str:
        async with httpx.AsyncClient(trust_env=False) as own:
            client = openai.AsyncOpenAI(api_key="k", base_url=openai_server.url, http_client=own)
            return (await ClientModel(client, "m").answer(PROMPT)).text

    assert asyncio.run(ask()) == "B"


def run(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name.upper() not in VARIABLES}
    environment.pop("HF_HUB_OFFLINE", None)
    environment |= {"OPENAI_API_KEY": "key-of-a-test", "PYTHONPATH": str(ROOT), **settings}
    code = "from mmad_rag.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks://localhost:1"),
        ("ALL_PROXY", "socks5://localhost:1"),
        ("NO_PROXY", "[::1]"),
        ("SSL_CERT_FILE", "/absent/ca.pem"),
    ],
)
@pytest.mark.parametrize("door", ["ask", "download"])
def test_a_command_ends_with_one_message(tmp_path: Path, door: str, name: str, value: str) -> None:
    from tests.support.world import png

    image = tmp_path / "image.png"
    image.write_bytes(png((200, 0, 0)))
    address = "http://127.0.0.1:9/v1"
    commands = {
        "ask": (
            "ask",
            str(image),
            "A defect?",
            "--model",
            "openai:m",
            "--no-knowledge",
            "--base-url",
            address,
        ),
        "download": ("data", "download", str(tmp_path / "data")),
    }
    ended = run(tmp_path, *commands[door], **{name: value})
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert name in ended.stderr
