"""The index: search equals numpy, what is saved is what is loaded, and nothing damaged is used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, IndexMismatchError, InputError, KnowledgeError, PictureError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build import reference_floor
from mmad_rag.index.embed import embed_keys, embed_pictures, embed_texts, fitting_pieces, unit
from mmad_rag.index.references import find_references
from mmad_rag.index.search import VectorSearch
from tests.world import COLOURS, ColourTower, World, colour_encoder, png


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
    assert (counts.products, counts.passages, counts.keys, counts.references) == (3, 51, 15, 6)
    assert index.products == ("blue_bar", "green_square", "red_disc")
    assert index.rows_of_product["green_square"] == tuple(range(17, 34))
    assert index.passages[17].product == "green_square"
    assert index.key_vectors.shape == (15, 3)
    assert index.passage_vectors is not None
    assert np.linalg.norm(index.passage_vectors, axis=1) == pytest.approx(np.ones(51), abs=1e-5)
    assert index.passage_search is not None
    assert len(index.passage_search) == 51


def test_saving_and_loading_changes_nothing(index: KnowledgeIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "deep" / "index")
    loaded = KnowledgeIndex.load(tmp_path / "deep" / "index")
    assert loaded.manifest == index.manifest
    assert loaded.fingerprint == index.fingerprint
    assert loaded.passages == index.passages
    assert loaded.keys == index.keys
    assert loaded.references == index.references
    for name, array in index.arrays().items():
        assert np.array_equal(loaded.arrays()[name], array)
    names = {path.name for path in (tmp_path / "deep" / "index").iterdir()}
    assert names == {
        "manifest.json",
        "passages.jsonl",
        "keys.jsonl",
        "references.jsonl",
        "passages.npy",
        "keys.npy",
        "references.npy",
    }
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["index"]


def test_the_same_knowledge_gives_the_same_fingerprint_and_a_change_another(
    world: World, encoder: Encoder, index: KnowledgeIndex, tmp_path: Path
) -> None:
    again = KnowledgeIndex.build(world.knowledge, encoder, references=world.references)
    assert again.fingerprint == index.fingerprint
    changed = shutil.copytree(world.knowledge, tmp_path / "knowledge")
    file = changed / "red_disc.yaml"
    file.write_text(file.read_text().replace("evenly", "fully"))
    assert (
        KnowledgeIndex.build(changed, encoder, references=world.references).fingerprint != index.fingerprint
    )


def test_an_older_index_is_replaced_and_a_foreign_folder_is_not(
    index: KnowledgeIndex, tmp_path: Path
) -> None:
    index.save(tmp_path / "index")
    index.save(tmp_path / "index")
    assert KnowledgeIndex.load(tmp_path / "index").fingerprint == index.fingerprint
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for place in ("mine", "mine/thesis.txt"):
        with pytest.raises(IndexMismatchError, match="is no index; choose another folder"):
            index.save(tmp_path / place)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    index.save(tmp_path / "empty")
    assert KnowledgeIndex.load(tmp_path / "empty").products == index.products


def test_an_absent_index_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(IndexMismatchError, match="mmad-rag build-index KNOWLEDGE --out"):
        KnowledgeIndex.load(tmp_path / "none")


@pytest.mark.parametrize(
    "name", ["passages.jsonl", "keys.npy", "references.npy", "passages.npy", "references.jsonl"]
)
@pytest.mark.parametrize("damage", ["cut", "flip", "delete"])
def test_a_damaged_file_is_named(index: KnowledgeIndex, tmp_path: Path, name: str, damage: str) -> None:
    index.save(tmp_path / "i")
    path = tmp_path / "i" / name
    data = path.read_bytes()
    if damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "flip":
        path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    else:
        path.unlink()
    with pytest.raises(IndexMismatchError, match=name):
        KnowledgeIndex.load(tmp_path / "i")


def forge(folder: Path, **changes: object) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Change a file and its hash in the manifest, as one who forges an index would."""
    import hashlib

    (folder / name).write_bytes(data)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    forge(folder, files={**files, name: hashlib.sha256(data).hexdigest()})


def test_a_forged_manifest_is_refused(index: KnowledgeIndex, tmp_path: Path) -> None:
    index.save(tmp_path / "i")
    original = json.loads((tmp_path / "i" / "manifest.json").read_text())
    for changes, words in (
        ({"format": 2}, "format"),
        ({"surprise": 1}, "surprise"),
        ({"counts": {**original["counts"], "passages": 3}}, "counts other numbers"),
        ({"files": {**original["files"], "../escape": "0" * 64}}, "no plain file name"),
        ({"files": {}}, "passages.jsonl"),
        ({"encoder": {**original["encoder"], "dim": 4}}, "has shape"),
    ):
        (tmp_path / "i" / "manifest.json").write_text(json.dumps({**original, **changes}))
        with pytest.raises(IndexMismatchError, match=words):
            KnowledgeIndex.load(tmp_path / "i")
    (tmp_path / "i" / "manifest.json").write_text("{")
    with pytest.raises(IndexMismatchError, match=r"manifest\.json"):
        KnowledgeIndex.load(tmp_path / "i")


def test_forged_contents_are_refused_and_never_unpickled(index: KnowledgeIndex, tmp_path: Path) -> None:
    import io

    index.save(tmp_path / "i")
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    infinite = io.BytesIO()
    np.save(infinite, np.full((15, 3), np.nan, np.float32))
    for name, data, words in (
        ("keys.npy", pickled.getvalue(), "no array"),
        ("keys.npy", b"", "no array"),
        ("keys.npy", infinite.getvalue(), "not finite"),
        ("keys.jsonl", b'{"wrong": 1}\n', "a row or file"),
        ("keys.jsonl", b"not json\n", "a row or file"),
    ):
        original = (tmp_path / "i" / name).read_bytes()
        rewrite(tmp_path / "i", name, data)
        with pytest.raises(IndexMismatchError, match=words):
            KnowledgeIndex.load(tmp_path / "i")
        rewrite(tmp_path / "i", name, original)
    KnowledgeIndex.load(tmp_path / "i")


def test_an_encoder_without_text_tower_builds_on_references_alone(world: World) -> None:
    built = KnowledgeIndex.build(world.knowledge, colour_encoder(texts=False), references=world.references)
    assert built.keys == ()
    assert built.passage_vectors is None
    assert built.passage_search is None
    assert built.manifest.text_encoder is None
    with pytest.raises(KnowledgeError, match="no picture could be routed; give --references"):
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
    alone = KnowledgeIndex.build(knowledge, colour_encoder())
    assert [reference.name for reference in alone.references] == ["own.png"]
    both = KnowledgeIndex.build(knowledge, colour_encoder(), references=world.references)
    assert len(both.references) == 6


def test_a_broken_reference_picture_is_named(world: World, tmp_path: Path) -> None:
    (tmp_path / "red_disc").mkdir()
    (tmp_path / "red_disc" / "x.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"red_disc/x\.png"):
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
    with pytest.raises(InputError, match="no normal picture of a known product"):
        find_references(tmp_path, {"pill"})
    with pytest.raises(InputError, match="there is no folder of reference pictures"):
        find_references(tmp_path / "none", {"bottle"})


def test_a_link_out_of_the_reference_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "1.png").write_bytes(b"x")
    (tmp_path / "inside" / "bottle").mkdir(parents=True)
    (tmp_path / "inside" / "bottle" / "own.png").write_bytes(b"x")
    (tmp_path / "inside" / "bottle" / "link.png").symlink_to(tmp_path / "outside" / "1.png")
    found = find_references(tmp_path / "inside", {"bottle"})
    assert [item.path.name for item in found.references] == ["own.png"]


def test_the_reference_floor_is_worked_out_by_leaving_one_out() -> None:
    angles = np.radians([0, 10, 0, 10, 0, 10, 90, 100, 90, 100, 90, 100])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    floor = reference_floor(vectors, ["a"] * 6 + ["b"] * 6)
    assert floor.same == pytest.approx(1.0, abs=1e-5)
    assert floor.other == pytest.approx(np.cos(np.radians(80)), abs=1e-5)
    assert reference_floor(vectors[:2], ["a", "b"]).other is None
    assert reference_floor(np.empty((0, 2), np.float32), []).same is None


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
    from mmad_rag.images import open_picture

    tower, steps = ColourTower(), []
    pictures = (open_picture(png(COLOURS["red"], shade=number)) for number in range(70))
    vectors = embed_pictures(pictures, 70, tower, 3, lambda *step: steps.append(step))
    assert vectors.shape == (70, 3)
    assert steps == [("embedding references", done, 70) for done in (32, 64, 70)]


def test_building_reports_its_progress(world: World) -> None:
    steps: list[tuple[str, int, int]] = []
    KnowledgeIndex.build(
        world.knowledge,
        colour_encoder(),
        references=world.references,
        progress=lambda *step: steps.append(step),
    )
    assert steps == [("embedding references", 6, 6), ("embedding passages", 51, 51)]
