"""The index: search equals numpy, what is saved is what is loaded, and nothing damaged is used."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, ImageError, IndexMismatchError, InputError, KnowledgeError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.embed import embed_images, embed_keys, embed_texts, fitting_pieces, unit
from mmad_rag.index.build.references import find_references
from mmad_rag.index.search import VectorSearch
from mmad_rag.index.views import DEFAULT_VIEWS
from tests.support.world import COLOURS, ColourTower, World, colour_encoder, png


def random_units(count: int, dim: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 40), st.integers(1, 16), st.integers(1, 50), st.integers(0, 2**16))
def test_search_equals_numpy_by_ids_and_scores(count: int, dim: int, k: int, seed: int) -> None:
    vectors = random_units(count, dim, seed)
    query = random_units(1, dim, seed + 1)[0]
    rows, scores = VectorSearch(vectors).search(query, k)
    expected = vectors @ query
    order = np.argsort(-expected, kind="stable")[:k]
    assert scores == pytest.approx(expected[order], abs=1e-6)
    assert expected[rows] == pytest.approx(expected[order], abs=1e-6)
    assert len(set(rows.tolist())) == len(rows) == min(k, count)


def test_equal_scores_keep_the_order_of_the_rows() -> None:
    vectors = np.tile(np.array([[1.0, 0.0]], np.float32), (5, 1))
    rows, _ = VectorSearch(vectors).search(np.array([1.0, 0.0], np.float32), 5)
    assert rows.tolist() == [0, 1, 2, 3, 4]


def test_approximate_search_above_the_threshold_finds_nearly_all_true_neighbours() -> None:
    vectors = random_units(3000, 16, 3)
    queries = random_units(40, 16, 4)
    exact, approximate = VectorSearch(vectors), VectorSearch(vectors, approximate_above=100)
    hits = sum(
        len(set(exact.search(query, 10)[0].tolist()) & set(approximate.search(query, 10)[0].tolist()))
        for query in queries
    )
    assert hits / 400 >= 0.95


def test_a_query_of_another_length_is_refused() -> None:
    with pytest.raises(IndexMismatchError, match="use the encoder that built the index"):
        VectorSearch(random_units(3, 4, 0)).search(np.ones(5, np.float32), 1)


def test_the_index_holds_every_passage_key_and_reference(index: KnowledgeIndex) -> None:
    counts = index.manifest.counts
    assert (counts.products, counts.passages, counts.keys, counts.references) == (3, 51, 15, 36)
    red = [(item.name, item.view) for item in index.references if item.product == "red_disc"]
    assert red == [(name, view) for name in ("1.png", "2.png") for view in sorted(DEFAULT_VIEWS)]
    assert index.products == ("blue_bar", "green_square", "red_disc")
    assert index.rows_of_product["green_square"] == tuple(range(17, 34))
    assert index.passages[17].product == "green_square"
    assert index.key_vectors.shape == (15, 3)
    assert index.passage_vectors is not None
    assert np.linalg.norm(index.passage_vectors, axis=1) == pytest.approx(np.ones(51), abs=1e-5)
    assert isinstance(index.passage_search, VectorSearch)
    assert len(index.passage_search) == 51


def test_the_same_knowledge_gives_the_same_fingerprint_and_a_change_another(
    world: World, encoder: Encoder, index: KnowledgeIndex, tmp_path: Path
) -> None:
    again = KnowledgeIndex.build(world.knowledge, encoder, text_encoder=encoder, references=world.references)
    assert again.fingerprint == index.fingerprint
    changed = shutil.copytree(world.knowledge, tmp_path / "knowledge")
    file = changed / "red_disc.yaml"
    file.write_text(file.read_text().replace("evenly", "fully"))
    assert (
        KnowledgeIndex.build(changed, encoder, references=world.references).fingerprint != index.fingerprint
    )


def test_an_encoder_without_text_tower_builds_on_references_alone(world: World) -> None:
    built = KnowledgeIndex.build(world.knowledge, colour_encoder(texts=False), references=world.references)
    assert built.keys == ()
    assert built.passage_vectors is None
    assert built.passage_search is None
    assert built.manifest.text_encoder is None
    with pytest.raises(KnowledgeError, match="no image could be routed; give --references"):
        KnowledgeIndex.build(world.knowledge, colour_encoder(texts=False))


def test_passages_can_have_an_encoder_of_their_own(world: World, tmp_path: Path) -> None:
    built = KnowledgeIndex.build(
        world.knowledge,
        colour_encoder(texts=False),
        text_encoder=colour_encoder(images=False, name="words"),
        references=world.references,
    )
    assert built.passage_vectors is not None
    assert built.manifest.text_encoder is not None
    assert built.manifest.text_encoder.spec == "test:words"
    built.save(tmp_path / "i")
    assert KnowledgeIndex.load(tmp_path / "i").fingerprint == built.fingerprint


def test_an_encoder_without_image_tower_cannot_embed_references(world: World) -> None:
    with pytest.raises(EncoderError, match="no image tower"):
        KnowledgeIndex.build(world.knowledge, colour_encoder(images=False), references=world.references)


def test_the_references_of_product_files_count_and_doubles_do_not(world: World, tmp_path: Path) -> None:
    knowledge = shutil.copytree(world.knowledge, tmp_path / "knowledge")
    shutil.copy(world.references / "red_disc" / "1.png", knowledge / "own.png")
    file = knowledge / "red_disc.yaml"
    file.write_text(file.read_text().replace("provenance:", "references: [own.png]\nprovenance:"))
    alone = KnowledgeIndex.build(knowledge, colour_encoder(), views=("whole",))
    assert [reference.name for reference in alone.references] == ["own.png"]
    both = KnowledgeIndex.build(knowledge, colour_encoder(), references=world.references, views=("whole",))
    assert len(both.references) == 6


def test_a_broken_reference_picture_is_named(world: World, tmp_path: Path) -> None:
    (tmp_path / "red_disc").mkdir()
    (tmp_path / "red_disc" / "x.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"red_disc/x\.png"):
        KnowledgeIndex.build(world.knowledge, colour_encoder(), references=tmp_path)


def test_references_are_found_in_plain_folders_and_in_mmads_layout(tmp_path: Path) -> None:
    for path in (
        "bottle/1.png",
        "MVTec-AD/cable/train/good/001.png",
        "DS-MVTec/cable/image/good/000.png",
        "DS-MVTec/cable/image/bent_wire/000.png",
        "DS-MVTec/screw/image/good/000.png",
        "VisA/bottle/test/bad/0.JPG",
        "unknown/coin/1.png",
        "bottle/notes.txt",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x")
    found = find_references(tmp_path, {"bottle", "cable", "screw"})
    assert [(item.product, item.path.relative_to(tmp_path).as_posix()) for item in found.references] == [
        ("bottle", "bottle/1.png"),
        ("cable", "MVTec-AD/cable/train/good/001.png"),
        ("screw", "DS-MVTec/screw/image/good/000.png"),
    ]
    assert found.skipped == 4
    assert len(find_references(tmp_path, {"bottle", "cable"}, per_product=1).references) == 2
    with pytest.raises(InputError, match="no normal image of a known product"):
        find_references(tmp_path, {"pill"})
    with pytest.raises(InputError, match="there is no folder of reference images"):
        find_references(tmp_path / "none", {"bottle"})


def test_a_link_out_of_the_reference_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.png").write_bytes(b"x")
    (tmp_path / "inside" / "bottle").mkdir(parents=True)
    (tmp_path / "inside" / "bottle" / "own.png").write_bytes(b"x")
    (tmp_path / "inside" / "bottle" / "link.png").symlink_to(tmp_path / "outside" / "1.png")
    found = find_references(tmp_path / "inside", {"bottle"})
    assert [item.path.name for item in found.references] == ["link.png", "own.png"]


def test_nothing_of_a_long_text_is_cut() -> None:
    tower = ColourTower(context=6)
    text = "one two three four five six seven eight nine ten eleven"
    pieces = fitting_pieces(text, tower, 6)
    assert " ".join(pieces) == text
    assert all(tower.count_tokens(piece) <= 6 for piece in pieces)
    with pytest.raises(EncoderError, match="the word 'one' alone is longer"):
        fitting_pieces("one", tower, 2)
    assert fitting_pieces(text, tower, None) == [text]


def test_the_vector_of_a_long_text_is_the_mean_of_its_pieces() -> None:
    tower = ColourTower(context=5)
    encoder = Encoder("test", "0" * 64, 3, tower, tower, 5)
    vectors = embed_texts(["red red red blue blue blue", "green"], encoder)
    pieces = tower.encode_texts(["red red red", "blue blue blue"])
    assert vectors[0] == pytest.approx(unit(pieces.mean(axis=0, keepdims=True))[0], abs=1e-6)
    assert vectors[1] == pytest.approx(tower.encode_texts(["green"])[0], abs=1e-6)
    assert embed_texts([], encoder).shape == (0, 3)


def test_a_key_is_the_mean_over_the_templates_and_must_fit() -> None:
    encoder = colour_encoder()
    assert encoder.texts is not None
    keys = embed_keys(["red thing"], ("{}", "a green {}"), encoder)
    both = encoder.texts.encode_texts(["red thing", "a green red thing"])
    assert keys[0] == pytest.approx(unit(both.mean(axis=0, keepdims=True))[0], abs=1e-6)
    with pytest.raises(EncoderError, match="longer than 32 tokens; shorten it"):
        embed_keys(["red " * 40], ("{}",), encoder)
    with pytest.raises(EncoderError, match="has no text tower"):
        embed_keys(["red"], ("{}",), colour_encoder(texts=False))


def test_pictures_are_embedded_a_few_at_a_time_with_progress() -> None:
    from mmad_rag.images import open_image

    tower, steps = ColourTower(), []
    pictures = (open_image(png(COLOURS["red"], shade=number)) for number in range(70))
    vectors = embed_images(pictures, 70, tower, 3, lambda *step: steps.append(step))
    assert vectors.shape == (70, 3)
    assert steps == [("embedding references", done, 70) for done in (32, 64, 70)]


def test_building_reports_its_progress(world: World) -> None:
    steps: list[tuple[str, int, int]] = []
    built = KnowledgeIndex.build(
        world.knowledge,
        encoder := colour_encoder(),
        text_encoder=encoder,
        references=world.references,
        progress=lambda *step: steps.append(step),
    )
    texts = {passage.text for passage in built.passages}
    assert len(texts) == 49  # one sentence is said of all three products, and embedded once
    assert steps == [
        ("embedding references", 32, 36),
        ("embedding references", 36, 36),
        ("embedding passages", 49, 49),
    ]
