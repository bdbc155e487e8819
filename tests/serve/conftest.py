"""The fixtures that these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.upstream import Upstream as Target
from tests.support.servers.serving import (
    HASTY,
    LIMITS,
    Upstream,
    app_server,
    upstream_server,
)


@pytest.fixture(scope="module")
def shared_upstream() -> Iterator[Upstream]:
    with upstream_server() as server:
        yield server


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Upstream:
    shared_upstream.bodies.clear()
    shared_upstream.headers.clear()
    shared_upstream.behaviour = None
    shared_upstream.cancelled.clear()
    shared_upstream.arrived.clear()
    return shared_upstream


@pytest.fixture(scope="module")
def retriever(index: KnowledgeIndex, encoder: Encoder) -> ClipRetriever:
    return ClipRetriever(index, encoder=encoder)


@pytest.fixture(scope="module")
def base(shared_upstream: Upstream, retriever: ClipRetriever) -> Iterator[str]:
    """An endpoint without a token, with tight limits."""
    with app_server(make_app(retriever, Target(shared_upstream.url, limits=LIMITS), limits=LIMITS)) as url:
        yield url


@pytest.fixture(scope="module")
def hasty(shared_upstream: Upstream, retriever: ClipRetriever) -> Iterator[httpx.Client]:
    """An endpoint that does not wait long for its upstream."""
    app = make_app(retriever, Target(shared_upstream.url, limits=HASTY), limits=LIMITS)
    with (
        app_server(app) as base,
        httpx.Client(base_url=base, timeout=60, trust_env=False) as client,
    ):
        yield client


@pytest.fixture
def client(base: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client:
        yield client
