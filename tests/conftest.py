"""Fixtures that many test files share."""

from __future__ import annotations

import functools
import gc
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from tests.support.memory import write_to_memory
from tests.support.once import once
from tests.support.paths import ROOT
from tests.support.quick import leave_out_what_is_heavy
from tests.support.warm import Warm
from tests.support.world import World, colour_encoder, make_world

# No absolute times: a busy machine must not fail a test.
settings.register_profile("unhurried", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=20)
settings.load_profile("unhurried")

pytest_plugins = ["tests.support.running", "tests.support.servers.openai_server"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--quick",
        action="store_true",
        help="leave out what is slow or needs much",
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        write_to_memory()
    runs_tests = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if config.getoption("--quick") and runs_tests:
        settings.load_profile("quick")
        leave_out_what_is_heavy()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put files with slow tests first, so that no worker begins one when the others have ended."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    if config.getoption("--quick"):
        left_out = [item for item in items if any(map(item.get_closest_marker, ("slow", "shared")))]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Modules and tests live until the end: the garbage collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


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


@pytest.fixture(scope="session", autouse=True)
def _one_certificate_store() -> Iterator[None]:
    """Every client reads 0.1 s of certificates otherwise, and loopback needs none of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", functools.cache(ssl.create_default_context))
        yield


@pytest.fixture(scope="session")
def warm() -> Iterator[Warm]:
    """Commands as processes of their own that need not import everything anew."""
    with Warm() as started:
        yield started


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> KnowledgeIndex:
    """The knowledge that ships, by builtin:tiny: give it as `reuse`, and its texts are not embedded again."""

    def build(folder: Path) -> None:
        KnowledgeIndex.build(ROOT / "knowledge", "builtin:tiny").save(folder)

    return KnowledgeIndex.load(once(tmp_path_factory, "shipped", build))


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
