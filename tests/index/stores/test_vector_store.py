"""Any LlamaIndex vector store in the place of FAISS: the same rows, scores, routes and passages."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from llama_index.core.vector_stores import SimpleVectorStore
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
from tests.index.stores.vector_stores import SPHERE, ListStore, each_store, qdrant, units
from tests.support.world import World, colour_encoder

EFFECT = "There is a defect in the object. What is the effect of the defect?"


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
