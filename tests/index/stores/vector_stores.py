"""Vector stores for tests, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from mmad_rag.records import FloatArray

SPHERE = 12


class ListStore(BasePydanticVectorStore):  # type: ignore[misc] # LlamaIndex is not type-checked here
    """A small store with the manners of some: it gives nodes without ids, and calls a distance similarity."""

    stores_text: bool = True
    held: list[Any] = []  # noqa: RUF012 - pydantic copies the default
    honours_filters: bool = True

    @property
    def client(self) -> None:
        return None

    def add(self, nodes: Sequence[Any], **_: object) -> list[str]:
        self.held = [*self.held, *nodes]
        return [node.node_id for node in nodes]

    def delete(self, ref_doc_id: str, **_: object) -> None:
        raise NotImplementedError

    def query(self, query: VectorStoreQuery, **_: object) -> VectorStoreQueryResult:
        wanted = {f.key: f.value for f in query.filters.filters} if query.filters else {}
        nodes = [
            node
            for node in self.held
            if not self.honours_filters or all(node.metadata.get(k) == v for k, v in wanted.items())
        ]
        asked = np.asarray(query.query_embedding)
        distances = [float(np.linalg.norm(np.asarray(node.embedding) - asked)) for node in nodes]
        order = np.argsort(distances, kind="stable")[: query.similarity_top_k]
        return VectorStoreQueryResult(
            nodes=[nodes[place] for place in order], similarities=[distances[place] for place in order]
        )


def qdrant(client: QdrantClient | None = None) -> QdrantVectorStore:
    # An index over document ids does nothing in local mode but warn.
    return QdrantVectorStore("parts", client=client or QdrantClient(":memory:"), index_doc_id=False)


STORES: dict[str, Callable[[], Any]] = {"simple": SimpleVectorStore, "qdrant": qdrant, "distances": ListStore}


each_store = pytest.mark.parametrize("make", STORES.values(), ids=STORES)


def units(count: int, dim: int, seed: int) -> FloatArray:
    rows = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    scaled: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return scaled
