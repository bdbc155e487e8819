"""`KnowledgeIndex` is an index with methods: functions take and give the data, methods give back an index."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.change import remove_products
from mmad_rag.index.build.from_knowledge import build_index
from mmad_rag.index.data import IndexData
from mmad_rag.index.folder.read import load_index
from mmad_rag.index.vector_store import StoredIndex
from mmad_rag.index.vector_store_search import Kind
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.routing.calibrate import calibrated
from tests.support.world import World, png


def test_every_method_gives_back_an_index_with_methods(
    index: KnowledgeIndex, world: World, encoder: Encoder, tmp_path: Path
) -> None:
    index.save(tmp_path / "i")
    picture = tmp_path / "blue.png"
    picture.write_bytes(png((10, 20, 200)))
    made = (
        KnowledgeIndex.load(tmp_path / "i"),
        KnowledgeIndex.build(world.knowledge, encoder),
        index.add(world.knowledge, encoder),
        index.add_references("blue_bar", [picture], encoder),
        index.remove("red_disc"),
        index.remove_references("blue_bar"),
        index.rename("red_disc", "red_ring"),
        calibrated(index),
    )
    assert [type(one) for one in made] == [KnowledgeIndex] * len(made)


def test_functions_give_the_data_that_the_methods_give(
    index: KnowledgeIndex, world: World, encoder: Encoder, tmp_path: Path
) -> None:
    index.save(tmp_path / "i")
    loaded, fresh = load_index(tmp_path / "i"), build_index(world.knowledge, encoder)
    assert type(loaded) is type(fresh) is type(remove_products(loaded, ["red_disc"])) is IndexData
    assert loaded.fingerprint == index.fingerprint
    assert fresh.fingerprint == KnowledgeIndex.build(world.knowledge, encoder).fingerprint
    assert remove_products(loaded, ["red_disc"]).fingerprint == index.remove("red_disc").fingerprint


def test_the_facade_holds_nothing_of_its_own(index: KnowledgeIndex) -> None:
    assert [field.name for field in fields(index)] == [field.name for field in fields(IndexData)]


def test_data_alone_is_enough_to_retrieve_from(
    index: KnowledgeIndex, encoder: Encoder, tmp_path: Path
) -> None:
    index.save(tmp_path / "i")
    retrievers = (ClipRetriever(one, encoder=encoder) for one in (index, load_index(tmp_path / "i")))
    first, second = (one.identity for one in retrievers)
    assert first == second


def test_a_change_of_an_index_in_a_vector_store_lets_go_of_the_store(index: KnowledgeIndex) -> None:
    """What the store holds is of the index before the change."""
    parts = {field.name: getattr(index, field.name) for field in fields(IndexData)}
    searches = {Kind.KEY: index.key_search, Kind.REFERENCE: index.reference_search}
    changed = StoredIndex(**parts, searches=searches).remove("red_disc")
    assert type(changed) is KnowledgeIndex
    assert changed.fingerprint == index.remove("red_disc").fingerprint
