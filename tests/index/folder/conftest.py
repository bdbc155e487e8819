"""The fixtures that these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from tests.index.index_calibration import with_it
from tests.support.world import World


@pytest.fixture(scope="module")
def small(world: World, encoder: Encoder) -> KnowledgeIndex:
    """One product with its passages, keys and references, and a calibration."""
    built = KnowledgeIndex.build(
        world.knowledge, encoder, text_encoder=encoder, references=world.references, views=("whole",)
    )
    return with_it(built.remove("blue_bar", "green_square"))


@pytest.fixture
def folder(small: KnowledgeIndex, tmp_path: Path) -> Path:
    small.save(tmp_path / "i")
    return tmp_path / "i"
