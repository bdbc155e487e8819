"""Fixtures that many test files share."""

from __future__ import annotations

import pytest
from hypothesis import settings

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from tests.support.world import World, colour_encoder, make_world

# No absolute times: a busy machine must not fail a test.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

pytest_plugins = ["tests.support.openai_server"]


@pytest.fixture(autouse=True)
def _no_real_providers(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may reach a provider by a key or an address of the person who runs it."""
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "OPENAI_CUSTOM_HEADERS",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The tiny world on disk."""
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """Three dimensions: red, green, blue."""
    return colour_encoder()


@pytest.fixture(scope="session")
def index(world: World, encoder: Encoder) -> KnowledgeIndex:
    """The tiny world with references, embedded by colour."""
    return KnowledgeIndex.build(world.knowledge, encoder, text_encoder=encoder, references=world.references)
