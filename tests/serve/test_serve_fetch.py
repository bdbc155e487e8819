"""Images by address: only from allowed hosts, never from private ones."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from aiohttp import web

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve import fetch as fetch_module
from mmad_rag.serve.app import make_app
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.fetch import ImageFetcher, is_public
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.serving import RED, Upstream, app_server, asked, image_part, text_part, upstream_server

LIMITS = Limits(image_bytes=1000, fetch_s=0.4)


@pytest.fixture(scope="module")
def images() -> Iterator[Upstream]:
    """A server of images on loopback."""
    with upstream_server() as server:
        yield server


def fetch(url: str, *, permitted: Callable[[str], bool] = is_public) -> bytes:
    host = url.partition("://")[2].partition("/")[0]
    return asyncio.run(ImageFetcher([host], LIMITS, permitted=permitted).fetch(url))


def why(url: str, *, permitted: Callable[[str], bool] = is_public) -> str:
    with pytest.raises(RefusalError) as caught:
        fetch(url, permitted=permitted)
    return f"{caught.value.status} {caught.value}"


def anyone(_address: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://pics.example/a.png", True),
        ("http://PICS.example./a.png", True),
        ("https://pics.example:443/a.png", True),
        ("https://pics.example:8443/a.png", False),
        ("http://other.example:8080/a.png", True),
        ("http://other.example/a.png", False),
        ("https://evil.pics.example/a.png", False),
        ("https://pics.example.evil/a.png", False),
        ("https://pics.example@evil.example/a.png", False),
        ("ftp://pics.example/a.png", False),
        ("https://pics.example:99999/", False),
        ("pics.example", False),
    ],
)
def test_which_urls_the_operator_allowed(url: str, allowed: bool) -> None:
    assert ImageFetcher(["Pics.example", "other.example:8080"], LIMITS).allows(url) is allowed


def test_an_allowed_host_on_a_private_address_is_not_connected_to(images: Upstream) -> None:
    before = len(images.bodies)
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert "private, loopback or link-local" in why(f"http://{host}:{images.port}/v1/a.png")
    assert "not a canonical IPv4 address" in why(f"http://2130706433:{images.port}/v1/a.png")
    assert len(images.bodies) == before


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def resolve(*_arguments: object, **_options: object) -> list[Any]:
        return [(socket.AF_INET, 1, 6, "", (address, 80)) for address in ("93.184.215.14", "10.0.0.1")]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    assert "private" in why("http://pics.example/a.png")


def test_a_picture_is_fetched_whole(images: Upstream) -> None:
    async def image(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=RED, content_type="image/png")

    images.behaviour = image
    assert fetch(f"http://localhost:{images.port}/v1/a.png", permitted=anyone) == RED


def test_redirects_or_errors_are_not_followed(images: Upstream) -> None:
    async def away(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://169.254.169.254/"})

    images.behaviour = away
    said = why(f"http://127.0.0.1:{images.port}/v1/a.png", permitted=anyone)
    assert said.startswith("400 ")
    assert "302, and redirects are not followed" in said


def test_large_or_slow_pictures_are_given_up(images: Upstream) -> None:
    async def large(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 2000)

    url = f"http://127.0.0.1:{images.port}/v1/a.png"
    images.behaviour = large
    assert why(url, permitted=anyone).startswith("413 ")
    images.behaviour = images.hang
    assert "more than 0.4 s" in why(url, permitted=anyone)


def test_a_host_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "could not be fetched from 127.0.0.1" in why(f"http://127.0.0.1:{port}/a.png", permitted=anyone)


def test_the_endpoint_routes_a_fetched_picture_but_forwards_its_address(
    index: KnowledgeIndex, encoder: Encoder, images: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def either(request: web.Request) -> web.StreamResponse:
        return web.Response(body=RED) if request.method == "GET" else web.json_response({})

    images.behaviour = either
    url = f"http://127.0.0.1:{images.port}/v1/a.png"
    body = asked(text_part("Good?"), image_part(url))
    target = Target(images.url, limits=Limits())
    hosts = [f"127.0.0.1:{images.port}"]
    with app_server(make_app(ClipRetriever(index, encoder=encoder), target, image_hosts=hosts)) as base:
        refused = httpx.post(f"{base}/v1/chat/completions", json=body, trust_env=False)
    assert refused.json()["error"]["code"] == "image_not_fetched"
    monkeypatch.setattr(fetch_module.ImageFetcher.__init__, "__kwdefaults__", {"permitted": anyone})
    with app_server(make_app(ClipRetriever(index, encoder=encoder), target, image_hosts=hosts)) as base:
        response = httpx.post(f"{base}/v1/chat/completions", json=body, trust_env=False)
    assert response.headers["x-mmad-rag-product"] == "red_disc"
    assert url.encode() in images.bodies[-1]
