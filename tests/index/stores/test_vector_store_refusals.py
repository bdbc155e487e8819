"""Vector stores that hold something else, have changed, or cannot be asked are refused."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    VectorStoreQuery,
    VectorStoreQueryResult,
)

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.vector_store import hold_in_store
from tests.index.stores.vector_stores import SPHERE, ListStore, each_store, qdrant, units


@each_store
def test_a_store_of_another_index_is_refused(scattered: KnowledgeIndex, make: Callable[[], Any]) -> None:
    """One changed number makes another index."""
    store = make()
    hold_in_store(scattered, store)
    changed = scattered.key_vectors.copy()
    changed[0, 0] += 1e-6
    with pytest.raises(IndexMismatchError, match="holds another index; empty it, or use another collection"):
        hold_in_store(dataclasses.replace(scattered, key_vectors=changed), store)


@each_store
def test_a_store_of_something_else_is_refused_and_left_alone(
    scattered: KnowledgeIndex, make: Callable[[], Any]
) -> None:
    store = make()
    store.add([TextNode(text="a recipe", embedding=units(1, SPHERE, 1)[0].tolist())])
    with pytest.raises(IndexMismatchError, match="holds vectors of something else; use a collection of its"):
        hold_in_store(scattered, store)
    probe = VectorStoreQuery(query_embedding=units(1, SPHERE, 1)[0].tolist(), similarity_top_k=9)
    result = store.query(probe)
    assert len(result.ids or result.nodes) == 1


@pytest.mark.parametrize("make", [SimpleVectorStore, qdrant])
def test_vectors_of_another_length_are_refused(scattered: KnowledgeIndex, make: Callable[[], Any]) -> None:
    """And nothing of the index is left in the store, which works as before."""
    for metadata in ({}, {"kind": "stamp"}):
        store = make()
        store.add([TextNode(text="a recipe", embedding=[0.6, 0.8], metadata=metadata)])
        with pytest.raises(IndexMismatchError, match="have the length of the index's"):
            hold_in_store(scattered, store)
        probe = VectorStoreQuery(query_embedding=[0.6, 0.8], similarity_top_k=9)
        assert len(store.query(probe).ids) == 1


def test_a_fill_that_was_cut_off_is_known(scattered: KnowledgeIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmad_rag.index.vector_store._NODES_AT_ONCE", 20)
    add = ListStore.add

    def failing(self: ListStore, nodes: Sequence[Any], **_: object) -> list[str]:
        if len(self.held) >= 40:
            raise ConnectionError("connection reset")
        return add(self, nodes)

    monkeypatch.setattr(ListStore, "add", failing)
    store = ListStore()
    with pytest.raises(IndexMismatchError, match=r"took in 40 of \d+ nodes and then failed \(ConnectionErr"):
        hold_in_store(scattered, store)
    monkeypatch.setattr(ListStore, "add", add)
    with pytest.raises(IndexMismatchError, match="a part of this index, because filling it was cut off"):
        hold_in_store(scattered, store)
    assert len(store.held) == 40
    store.held = []
    hold_in_store(scattered, store)


def test_a_store_that_ignores_filters_is_refused(scattered: KnowledgeIndex) -> None:
    with pytest.raises(IndexMismatchError, match="ListStore does not honour metadata filters"):
        hold_in_store(scattered, ListStore(honours_filters=False))


def test_a_store_that_gives_nothing_back_is_refused(
    scattered: KnowledgeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ListStore, "query", lambda *_, **__: VectorStoreQueryResult())
    with pytest.raises(IndexMismatchError, match="was filled but gives nothing back"):
        hold_in_store(scattered, ListStore())


def test_a_store_that_cannot_be_asked_says_why(
    scattered: KnowledgeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object, **__: object) -> VectorStoreQueryResult:
        raise TimeoutError("no answer")

    store = ListStore()
    held = hold_in_store(scattered, store)
    monkeypatch.setattr(ListStore, "query", down)
    with pytest.raises(IndexMismatchError, match=r"could not be searched \(TimeoutError: no answer\)"):
        held.key_search.search(units(1, SPHERE, 1)[0], 3)
    with pytest.raises(IndexMismatchError, match="was filled but could not be searched"):
        hold_in_store(scattered, ListStore())


def test_a_store_that_changed_since_is_refused(scattered: KnowledgeIndex) -> None:
    """Rows that were deleted, doubled or added by others never give a wrong or a shorter answer."""
    store = ListStore()
    search = hold_in_store(scattered, store).reference_search
    query, everything = units(1, SPHERE, 1)[0], store.held
    row = next(node for node in everything if node.metadata["kind"] == "reference")
    store.held = [node for node in everything if node is not row]
    with pytest.raises(
        IndexMismatchError, match="gave back 35 rows of kind reference where 36 were asked for"
    ):
        search.search(query, 36)
    store.held = [*everything, row]
    with pytest.raises(
        IndexMismatchError, match="gave back 35 rows of kind reference where 36 were asked for"
    ):
        search.search(scattered.reference_vectors[0], 36)
    store.held = [
        *everything,
        TextNode(id_="stranger", embedding=query.tolist(), metadata={"kind": "reference"}),
    ]
    with pytest.raises(IndexMismatchError, match="the node stranger, which is not a reference of this index"):
        search.search(query, 6)


def test_a_query_of_another_length_is_refused(scattered: KnowledgeIndex) -> None:
    held = hold_in_store(scattered, ListStore())
    with pytest.raises(IndexMismatchError, match=r"shape \(3,\), the index holds \(12,\)"):
        held.key_search.search(np.ones(3, np.float32), 1)
