"""The fixtures that these tests share."""

from __future__ import annotations

import pytest

from mmad_rag import RagWrapper
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.retrieve import ClipRetriever
from tests.rag.conversations import Watched


@pytest.fixture
def retriever(index: KnowledgeIndex, encoder: Encoder) -> ClipRetriever:
    return ClipRetriever(index, encoder=encoder)


@pytest.fixture
def watched(index: KnowledgeIndex, encoder: Encoder) -> Watched:
    return Watched(ClipRetriever(index, encoder=encoder))


@pytest.fixture
def rag(watched: Watched) -> RagWrapper:
    return RagWrapper(retriever=watched)
