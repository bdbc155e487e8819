"""The parts of the endpoint that need no server: images, addresses, headers, tokens, metrics."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError, SpecError
from mmad_rag.fields import Field
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import EncodedImage, Hit, Knowledge, Passage, Route, RouteOutcome
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.augment import report_headers
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.fetch import is_loopback, is_public
from mmad_rag.serve.images import data_url_bytes, open_limited
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics
from mmad_rag.serve.proxy import to_client, to_upstream
from mmad_rag.serve.retrieval_pool import Lookup, warm
from mmad_rag.serve.token import Token, find_token
from mmad_rag.serve.upstream import Upstream
from tests.support.servers.serving import GREEN, RED, data_url
from tests.support.world import World


def claimed_png(side: int) -> bytes:
    """A header that claims a size, with next to nothing behind it."""
    head = b"IHDR" + struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + head
        + struct.pack(">I", zlib.crc32(head))
        + b"\x00\x00\x00\x00IEND\xaeB`\x82"
    )


def refused(error: pytest.ExceptionInfo[RefusalError]) -> tuple[int, str]:
    return error.value.status, error.value.code


def test_a_data_url_gives_its_bytes_in_any_case() -> None:
    assert data_url_bytes(data_url(RED), Limits()) == RED
    assert data_url_bytes(data_url(RED).replace("data:", "DATA:"), Limits()) == RED


@pytest.mark.parametrize("size", [101, 102, 103, 300])
def test_a_picture_over_the_limit_is_refused(size: int) -> None:
    with pytest.raises(RefusalError) as caught:
        data_url_bytes(data_url(b"x" * size), Limits(image_bytes=100))
    assert refused(caught) == (413, "picture_too_large")
    assert len(data_url_bytes(data_url(b"x" * 100), Limits(image_bytes=100))) == 100


@pytest.mark.parametrize("side", [9_000, 60_000])
def test_a_picture_of_too_many_pixels_is_refused_by_its_header(side: int) -> None:
    with pytest.raises(RefusalError) as caught:
        open_limited(claimed_png(side), Limits())
    assert refused(caught) == (413, "picture_too_large")


def test_a_damaged_picture_is_refused_with_its_reason() -> None:
    with pytest.raises(RefusalError, match="cannot be read") as caught:
        open_limited(b"no image", Limits())
    assert refused(caught) == (400, "invalid_image")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104 - refused
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("example.org", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("localhost.evil.example", False),
        ("192.168.0.1", False),
        ("", False),
    ],
)
def test_which_names_mean_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_only_what_is_meant_for_the_other_end_travels() -> None:
    sent = [
        ("Host", "here"),
        ("Connection", "keep-alive, X-Private"),
        ("X-Private", "1"),
        ("TE", "trailers"),
        ("Authorization", "Bearer k"),
        ("OpenAI-Organization", "o"),
        ("X-Mmad-Rag-Token", "t"),
        ("Content-Length", "3"),
    ]
    kept = [("authorization", "Bearer k"), ("openai-organization", "o")]
    assert list(to_upstream(sent, own_authorization=False)) == kept
    assert list(to_upstream(sent, own_authorization=True)) == kept[1:]
    answered = [("Server", "s"), ("Set-Cookie", "a"), ("Set-Cookie", "b"), ("X-MMAD-RAG-Outcome", "x")]
    assert list(to_client(answered)) == [("set-cookie", "a"), ("set-cookie", "b")]


def test_report_headers_are_ascii_or_counted() -> None:
    """Names are percent-encoded; passages that a header cannot hold are counted."""
    hits = tuple(
        Hit(Passage(f"größe/normal/view/{n}", "größe", "normal", Field.VIEW, "Normal", "x"), 1.0)
        for n in range(200)
    )
    route = Route(RouteOutcome.NEAR_TIE, (), ("größe", "b"), 0.5, 0.9)
    headers = report_headers(Knowledge(route, hits, "s"))
    assert headers["x-mmad-rag-outcome"] == "near-tie"
    assert headers["x-mmad-rag-product"] == "gr%C3%B6%C3%9Fe,b"
    assert (headers["x-mmad-rag-confidence"], headers["x-mmad-rag-known"]) == ("0.5000", "0.9000")
    *ids, rest = headers["x-mmad-rag-passages"].split(",")
    assert len(headers["x-mmad-rag-passages"]) <= 4000
    assert ids[0] == "gr%C3%B6%C3%9Fe/normal/view/0"
    assert int(rest) + len(ids) == 200


def test_a_token_matches_itself_only() -> None:
    token = Token("0123456789abcdef")
    assert token.matches("0123456789abcdef")
    assert not token.matches("0123456789abcdeF")
    assert not token.matches("\udcff")
    assert token.matches_bearer("bearer 0123456789abcdef")
    assert not token.matches_bearer("0123456789abcdef")


def test_a_token_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MMAD_RAG_TOKEN", raising=False)
    assert find_token(None) is None
    monkeypatch.setenv("MMAD_RAG_TOKEN", "from-the-environment")
    found = find_token(None)
    assert found is not None
    assert found.matches("from-the-environment")
    file = tmp_path / "token"
    file.write_text("from-the-file-itself\n")
    found = find_token(file)
    assert found is not None
    assert found.matches("from-the-file-itself")


@pytest.mark.parametrize("text", ["short", "", "with spaces in the middle", "schlüssel-schlüssel"])
def test_a_weak_token_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    with pytest.raises(InputError, match="token_urlsafe") as caught:
        find_token(file)
    assert not text or text not in str(caught.value)


def test_a_token_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing-here.*check the path"):
        find_token(tmp_path / "nothing-here")


@pytest.mark.parametrize(
    ("url", "said"),
    [(" ", "empty"), ("http://user:pass@host/v1", "MMAD_RAG_UPSTREAM_KEY"), ("ftp://host", "http")],
)
def test_an_upstream_that_cannot_be_used_is_refused(url: str, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        Upstream(url, limits=Limits())
    assert "pass@" not in str(caught.value)


def test_an_upstream_that_was_never_opened_closes() -> None:
    asyncio.run(Upstream("http://localhost:1/v1", limits=Limits()).close())


def test_metrics_are_cumulative_histograms() -> None:
    metrics = Metrics()
    for seconds in (0.0005, 0.001, 0.3, 500.0):
        metrics.count_upstream(seconds)
    lines = metrics.text().splitlines()
    assert 'mmad_rag_upstream_seconds_bucket{le="0.001"} 2' in lines
    assert 'mmad_rag_upstream_seconds_bucket{le="0.25"} 2' in lines
    assert 'mmad_rag_upstream_seconds_bucket{le="0.5"} 3' in lines
    assert 'mmad_rag_upstream_seconds_bucket{le="+Inf"} 4' in lines
    assert "mmad_rag_upstream_seconds_sum 500.301500" in lines
    assert lines.count("# TYPE mmad_rag_upstream_seconds histogram") == 1


def test_the_oldest_picture_is_forgotten_first(index: KnowledgeIndex, encoder: Encoder) -> None:
    seen: list[bytes] = []

    class Counting(ClipRetriever):
        def route(self, image: EncodedImage, references: Sequence[EncodedImage] = ()) -> Route:
            seen.append(image.data)
            return super().route(image, references)

    async def work() -> None:
        lookup = Lookup(Counting(index, encoder=encoder), Limits(images_kept=1), Metrics())
        for data in (RED, RED, GREEN, RED):
            await lookup.find(data_url(data), "Good?")
        lookup.close()

    asyncio.run(work())
    assert seen == [RED, GREEN, RED]


def test_a_lookup_equals_the_retrievers_own(index: KnowledgeIndex, encoder: Encoder, world: World) -> None:
    """Also for an image that is itself a reference, which must not count as its own evidence."""
    retriever = ClipRetriever(index, encoder=encoder)
    data = (world.references / "red_disc" / "1.png").read_bytes()

    async def work() -> list[Knowledge]:
        lookup = Lookup(retriever, Limits(), Metrics())
        found = [await lookup.find(data, "A crack?"), await lookup.find(data, "A crack?")]
        lookup.close()
        return [result.knowledge for result in found]

    expected = retriever.retrieve("A crack?", open_image(data))
    assert asyncio.run(work()) == [expected, expected]


def test_warming_uses_both_towers(index: KnowledgeIndex, encoder: Encoder, world: World) -> None:
    warm(ClipRetriever(index, encoder=encoder))
    bare = KnowledgeIndex.build(world.knowledge, encoder, text_encoder=encoder)
    warm(ClipRetriever(bare, encoder=encoder))
