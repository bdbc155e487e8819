"""Any LlamaIndex vector store in the place of FAISS: the same rows, scores, routes and passages."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    VectorStoreQuery,
    VectorStoreQueryResult,
)
from llama_index.vector_stores.qdrant import QdrantVectorStore
from PIL import Image
from qdrant_client import QdrantClient

from mmad_rag.benchmark.sample import draw, image_rng
from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import IndexMismatchError, InputError
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.search import Search
from mmad_rag.index.vector_store import StoredIndex, hold_in_store
from mmad_rag.knowledge.shipped import shipped_knowledge
from mmad_rag.records import FloatArray, Knowledge
from mmad_rag.retrieve import ClipRetriever
from tests.support.world import World, colour_encoder

EFFECT = "There is a defect in the object. What is the effect of the defect?"
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


@pytest.fixture(scope="module")
def scattered(index: KnowledgeIndex) -> KnowledgeIndex:
    """The tiny world's records with vectors in every direction, so that no two rows are equally near."""
    return dataclasses.replace(
        index,
        key_vectors=units(len(index.keys), SPHERE, 1),
        reference_vectors=units(len(index.references), SPHERE, 2),
        passage_vectors=units(len(index.passages), SPHERE, 3),
    )


def searches(index: KnowledgeIndex) -> dict[str, tuple[Search, FloatArray]]:
    assert index.passage_search is not None
    assert index.passage_vectors is not None
    return {
        "keys": (index.key_search, index.key_vectors),
        "references": (index.reference_search, index.reference_vectors),
        "passages": (index.passage_search, index.passage_vectors),
    }


@each_store
def test_rows_and_scores_are_those_of_faiss_and_of_numpy(
    scattered: KnowledgeIndex, make: Callable[[], Any]
) -> None:
    """For each kind of row, for one, some and all of them, whatever the store calls a similarity."""
    held = hold_in_store(scattered, make())
    for name, (search, vectors) in searches(held).items():
        for seed in range(5):
            query = 3 * units(1, SPHERE, 100 + seed)[0]
            for k in (1, 4, len(vectors), len(vectors) + 9):
                rows, scores = search.search(query, k)
                flat_rows, flat_scores = searches(scattered)[name][0].search(query, k)
                expected = np.argsort(-(vectors @ query))[:k]
                assert rows.tolist() == flat_rows.tolist() == expected.tolist()
                assert rows.dtype == np.int64
                assert scores.dtype == np.float32
                assert scores == pytest.approx(flat_scores, abs=1e-5)
                assert scores == pytest.approx((vectors @ query)[expected], abs=1e-5)


@each_store
def test_equally_near_rows_keep_their_order(index: KnowledgeIndex, make: Callable[[], Any]) -> None:
    same = np.repeat(units(1, SPHERE, 5), len(index.references), axis=0)
    keys = np.repeat(units(3, SPHERE, 6), len(index.keys) // 3, axis=0)
    assert len(keys) == len(index.keys)
    held = hold_in_store(
        dataclasses.replace(index, reference_vectors=same, key_vectors=keys, passage_vectors=None), make()
    )
    rows, scores = held.reference_search.search(units(1, SPHERE, 7)[0], 99)
    assert rows.tolist() == list(range(len(same)))
    assert len(set(scores.tolist())) == 1
    rows, scores = held.key_search.search(units(1, SPHERE, 8)[0], len(keys))
    assert all(
        first < second or above > below
        for (first, second), (above, below) in zip(pairwise(rows), pairwise(scores), strict=True)
    )


def alike(found: Knowledge, other: Knowledge) -> None:
    """Equal but for the last digits of scores."""
    assert found.source == other.source
    assert found.route.outcome == other.route.outcome
    assert found.route.products == other.route.products
    assert found.route.confidence == pytest.approx(other.route.confidence, abs=1e-4)
    by_name = {candidate.product: candidate for candidate in other.route.candidates}
    assert len(by_name) == len(found.route.candidates)
    for candidate in found.route.candidates:
        twin = by_name[candidate.product]
        assert candidate.text_score == pytest.approx(twin.text_score, abs=1e-5)
        assert candidate.reference_score == pytest.approx(twin.reference_score, abs=1e-5)
    assert [hit.passage for hit in found.hits] == [hit.passage for hit in other.hits]
    assert [hit.score for hit in found.hits] == pytest.approx([hit.score for hit in other.hits], abs=1e-4)


@each_store
def test_the_tiny_world_is_routed_as_with_faiss(
    world: World, index: KnowledgeIndex, encoder: Encoder, make: Callable[[], Any]
) -> None:
    held = hold_in_store(index, make())
    assert held.fingerprint == index.fingerprint
    for product, path in world.queries.items():
        found = ClipRetriever(held, encoder=encoder).retrieve(EFFECT, open_image(path))
        assert found.route.products == (product,)
        assert found.hits
        alike(found, ClipRetriever(index, encoder=encoder).retrieve(EFFECT, open_image(path)))


def test_a_node_says_what_it_is(index: KnowledgeIndex) -> None:
    """Its id is a UUID that is the same at every fill; the stamp comes last."""
    store, again = ListStore(), ListStore()
    hold_in_store(index, store)
    hold_in_store(index, again)
    total = len(index.keys) + len(index.references) + len(index.passages)
    assert len(store.held) == total + 1
    assert [node.node_id for node in store.held] == [node.node_id for node in again.held]
    assert len({UUID(node.node_id) for node in store.held}) == total + 1
    key, passage, stamp = store.held[1], store.held[-2], store.held[-1]
    assert key.text == index.keys[1].text
    assert key.metadata | {"index": ""} == {
        "product": index.keys[1].product,
        "row": 1,
        "kind": "key",
        "index": "",
    }
    assert passage.text == index.passages[-1].text
    assert (passage.metadata["kind"], passage.metadata["row"]) == ("passage", len(index.passages) - 1)
    assert stamp.metadata["kind"] == "stamp"
    assert {node.metadata["index"] for node in store.held} == {stamp.metadata["index"]}


def test_progress_is_told(index: KnowledgeIndex) -> None:
    told: list[tuple[str, int, int]] = []
    total = len(index.keys) + len(index.references) + len(index.passages) + 1
    large = dataclasses.replace(index, passages=index.passages * 10, passage_vectors=units(510, 3, 1))
    hold_in_store(index, ListStore(), progress=lambda *step: told.append(step))
    assert told == [("filling the vector store", total, total)]
    hold_in_store(large, ListStore(), progress=lambda *step: told.append(step))
    total += 459
    assert [done for _, done, _ in told[1:]] == [256, 512, total]


@each_store
def test_a_store_that_holds_the_index_is_attached_without_adding(
    scattered: KnowledgeIndex, make: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when only the manifest has changed since, as by calibration."""
    store = make()
    hold_in_store(scattered, store)
    monkeypatch.setattr(type(store), "add", None)
    calibrated = dataclasses.replace(
        scattered, manifest=scattered.manifest.model_copy(update={"library": "later"})
    )
    query = units(1, SPHERE, 9)[0]
    for index in (scattered, calibrated):
        held = hold_in_store(index, store)
        assert held.key_search.search(query, 3)[0].tolist() == index.key_search.search(query, 3)[0].tolist()
    assert hold_in_store(hold_in_store(scattered, store), store).keys == scattered.keys


def test_a_store_on_disk_is_found_again(scattered: KnowledgeIndex, tmp_path: Path) -> None:
    for _ in range(2):
        client = QdrantClient(path=str(tmp_path / "qdrant"))
        held = hold_in_store(scattered, qdrant(client))
        assert held.passage_search is not None
        assert len(held.passage_search.search(units(1, SPHERE, 4)[0], 7)[0]) == 7
        count = client.count("parts").count
        client.close()
        assert count == len(scattered.keys) + len(scattered.references) + len(scattered.passages) + 1


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


def test_passages_of_another_length_have_a_store_of_their_own(scattered: KnowledgeIndex) -> None:
    mixed = dataclasses.replace(scattered, passage_vectors=units(len(scattered.passages), 5, 1))
    with pytest.raises(InputError, match="passages have 5 numbers, those of keys and references 12"):
        hold_in_store(mixed, qdrant())
    near, far = qdrant(), SimpleVectorStore()
    for _ in range(2):
        held = hold_in_store(mixed, near, passage_store=far)
        assert held.passage_search is not None
        assert mixed.passage_search is not None
        query = units(1, 5, 2)[0]
        assert held.passage_search.search(query, 4)[0].tolist() == (
            mixed.passage_search.search(query, 4)[0].tolist()
        )
        assert len(held.key_search.search(units(1, SPHERE, 1)[0], 4)[0]) == 4
    with pytest.raises(IndexMismatchError, match="have the length of the index's"):
        hold_in_store(mixed, far, passage_store=near)
    hold_in_store(mixed, near, passage_store=far)


def test_one_store_may_be_named_twice(scattered: KnowledgeIndex) -> None:
    store = ListStore()
    hold_in_store(scattered, store, passage_store=store)
    assert sum(node.metadata["kind"] == "stamp" for node in store.held) == 1


def test_an_index_without_keys_and_passage_vectors_is_held(world: World) -> None:
    """As an encoder of images makes it."""
    encoder = colour_encoder(texts=False)
    pictures = KnowledgeIndex.build(world.knowledge, encoder, references=world.references)
    held = hold_in_store(pictures, qdrant())
    assert isinstance(held, StoredIndex)
    assert held.passage_search is None
    assert held.key_search.search(np.ones(3, np.float32), 5)[0].tolist() == []
    found = ClipRetriever(held, encoder=encoder).route(open_image(world.queries["blue_bar"]))
    assert found.products == ("blue_bar",)
    with pytest.raises(InputError, match="no vectors of passages; leave out passage_store"):
        hold_in_store(pictures, qdrant(), passage_store=ListStore())


@pytest.mark.slow
def test_shipped_knowledge_is_found_in_qdrant_as_in_faiss(tmp_path: Path) -> None:
    """Products with and without drawn references, by the shipped encoder."""
    with_references = ("metal_nut", "bottle", "screw")
    (tmp_path / "knowledge").mkdir()
    for name in (*with_references, "pcb1"):
        shutil.copy(shipped_knowledge() / f"{name}.yaml", tmp_path / "knowledge")
    for name in with_references:
        (tmp_path / "references" / name).mkdir(parents=True)
        for number in range(3):
            image = draw(name, "good", image_rng(7, name, "stores", number), 128).image
            Image.fromarray(image).save(tmp_path / "references" / name / f"{number}.png")
    encoder = load_encoder("builtin:tiny")
    index = KnowledgeIndex.build(
        tmp_path / "knowledge", encoder, text_encoder=encoder, references=tmp_path / "references"
    )
    held = hold_in_store(index, qdrant())
    plain, stored = ClipRetriever(index, encoder=encoder), ClipRetriever(held, encoder=encoder)
    for name in (*with_references, "pcb1", "hazelnut"):
        picture = open_image(draw(name, "good", image_rng(8, name, "stores", 0), 128).image)
        alike(stored.retrieve(EFFECT, picture), plain.retrieve(EFFECT, picture))
    assert encoder.images is not None
    (query,) = encoder.images.encode_images([picture])
    for name, (search, vectors) in searches(held).items():
        for k in (1, 10, len(vectors)):
            rows, scores = search.search(query, k)
            flat_rows, flat_scores = searches(index)[name][0].search(query, k)
            assert scores == pytest.approx(flat_scores, abs=1e-5)
            assert vectors[rows] @ query == pytest.approx(vectors[flat_rows] @ query, abs=1e-5)
            assert len(set(rows.tolist())) == min(k, len(vectors))
