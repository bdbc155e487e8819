"""`mmad-rag build-index` and `mmad-rag index`: what is taken over is said, what is wrong is listed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from mmad_rag.index import KnowledgeIndex
from tests.support.running import Cli
from tests.support.world import World, png


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is broken."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def built(index: KnowledgeIndex, tmp_path: Path) -> Path:
    index.save(tmp_path / "built")
    return tmp_path / "built"


def test_a_build_onto_an_index_embeds_only_what_is_new(cli: Cli, world: World, tmp_path: Path) -> None:
    """Unless everything is to be embedded again, or the index there cannot be used."""
    knowledge, out = shutil.copytree(world.knowledge, tmp_path / "knowledge"), tmp_path / "i"
    build: tuple[str | Path, ...] = ("build-index", knowledge, "--out", out, "--references", world.references)
    build += ("--encoder", "builtin:tiny", "--text-encoder", "builtin:tiny")
    first = cli(*build)
    assert first.code == 0
    assert "taken over" not in first.out
    file = knowledge / "red_disc.yaml"
    file.write_text(file.read_text().replace("evenly red", "fully red"))
    second = cli(*build)
    assert "101 vectors taken over from the index that was there, 1 embedded" in second.out
    assert json.loads(cli(*build, "--json").out)["vectors"] == {"taken_over": 102, "embedded": 0}
    assert json.loads(cli(*build, "--json", "--fresh").out)["vectors"] == {"taken_over": 0, "embedded": 102}
    (out / "manifest.json").write_text('{"format": 1}')
    mended = cli(*build)
    assert mended.code == 0
    assert "every vector is embedded again: the index" in mended.err
    assert "is of format 1, this version reads 2\n" in mended.err
    assert KnowledgeIndex.load(out).manifest.counts.references == 36


def test_a_build_says_which_references_are_gone(cli: Cli, world: World, tmp_path: Path) -> None:
    out, defects = tmp_path / "i", tmp_path / "defects"
    for name in ("crack", "stain", "bad"):
        (defects / "red_disc" / name).mkdir(parents=True)
        (defects / "red_disc" / name / "1.png").write_bytes(png((9, 9, 9)))
    build: tuple[str | Path, ...] = ("build-index", world.knowledge, "--out", out)
    build += ("--encoder", "builtin:tiny", "--text-encoder", "words")
    both = cli(*build, "--references", world.references, "--defect-references", defects)
    assert "8 reference images" in both.out
    assert "left out" not in both.err
    without = cli(*build, "--references", world.references)
    assert (
        "2 reference image(s) of the index that was there are gone, as no --defect-references" in without.err
    )
    none = cli(*build)
    assert "6 reference image(s) of the index that was there are gone, as no --references was" in none.err
    assert "gone" not in cli(*build).err


def test_pictures_of_several_defects_are_counted_and_left_out(cli: Cli, world: World, tmp_path: Path) -> None:
    knowledge = shutil.copytree(world.knowledge, tmp_path / "knowledge")
    file = knowledge / "red_disc.yaml"
    file.write_text(
        file.read_text()
        .replace("folders: [crack]", "folders: [bad]")
        .replace("folders: [stain]", "folders: [bad]")
    )
    for name in ("crack", "bad"):
        (tmp_path / "defects" / "red_disc" / name).mkdir(parents=True)
        (tmp_path / "defects" / "red_disc" / name / "1.png").write_bytes(png((9, 9, 9)))
    ran = cli(
        "build-index", knowledge, "--encoder", "builtin:tiny", "--text-encoder", "words",
        "--out", tmp_path / "i", "--defect-references", tmp_path / "defects",
    )  # fmt: skip
    assert ran.code == 0
    assert "1 image(s) of defects left out: their folder stands for several defects" in ran.err


def test_a_foreign_folder_is_refused_before_anything_is_embedded(
    cli: Cli, world: World, tmp_path: Path
) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    ran = cli("build-index", world.knowledge, "--encoder", "nonsense:x", "--out", tmp_path)
    assert ran.code == 1
    assert "is not an index; choose another folder with --out" in ran.err


def test_an_index_is_shown_as_a_table(cli: Cli, built: Path) -> None:
    ran = cli("index", "show", built)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == f"{built}: 3 products, 51 passages, 15 text keys, 6 reference images"
    assert lines[1] == "images and keys by test:colour (3 numbers), passages by test:colour"
    assert lines[2] == ("views of each reference: compressed, nearer, quarter_turn, turned, unfocused, whole")
    assert lines[4].split() == ["product", "normal", "references", "defect", "references", "keys", "passages"]
    assert lines[6].split() == ["green_square", "2", "0", "5", "17"]
    shown = json.loads(cli("index", "show", built, "--json").out)
    assert shown["products"][1] == {
        "product": "green_square",
        "references": 2,
        "defect_references": 0,
        "keys": 5,
        "passages": 17,
    }
    assert len(shown["references"]) == 36
    assert len(shown["fingerprint"]) == 64


def test_a_product_is_removed_and_another_renamed(cli: Cli, built: Path, world: World) -> None:
    removed = cli("index", "remove", built, "blue_bar")
    assert removed.out == f"{built}: without blue_bar; 2 products, 34 passages, 10 text keys\n"
    renamed = cli("index", "rename", built, "red_disc", "red_ring", "--json")
    assert json.loads(renamed.out)["counts"] == {
        "products": 2,
        "passages": 34,
        "keys": 10,
        "references": 24,
    }
    assert KnowledgeIndex.load(built).products == ("green_square", "red_ring")
    wrong = cli("index", "remove", built, "red_disc")
    assert wrong.code == 1
    assert "error: the index holds no product 'red_disc'; it holds red_ring" in wrong.err


def test_a_text_that_says_the_old_name_is_pointed_out(cli: Cli, world: World, tmp_path: Path) -> None:
    knowledge = shutil.copytree(world.knowledge, tmp_path / "knowledge")
    file = knowledge / "red_disc.yaml"
    apart = "tell_apart:\n  - product: blue_bar\n    how: [It is round.]\ndefects:"
    file.write_text(file.read_text().replace("defects:", apart, 1))
    KnowledgeIndex.build(knowledge, "builtin:tiny").save(tmp_path / "i")
    ran = cli("index", "rename", tmp_path / "i", "blue_bar", "blue_rod")
    assert "the texts of red_disc still say blue_bar; correct tell_apart" in ran.err


def test_verify_says_that_nothing_is_wrong_or_lists_everything(
    cli: Cli, built: Path, world: World, tmp_path: Path
) -> None:
    good = cli("index", "verify", built, "--knowledge", world.knowledge)
    assert (good.code, good.out) == (0, f"{built}: nothing to mend\n")
    keys = next(built.glob("keys.*.npy"))
    keys.write_bytes(keys.read_bytes()[:-1])
    next(built.glob("passages.*.npy")).unlink()
    bad = cli("index", "verify", built)
    assert bad.code == 1
    assert keys.name in bad.out
    assert "is gone" in bad.out
    assert "2 finding(s)" in bad.err
    as_json = cli("index", "verify", built, "--json")
    assert as_json.code == 1
    assert len(json.loads(as_json.out)["findings"]) == 2
    none = cli("index", "verify", tmp_path / "none")
    assert none.code == 1
    assert "there is no index" in none.out


def test_verify_compares_with_the_product_files(cli: Cli, built: Path, world: World, tmp_path: Path) -> None:
    """A comment changes nothing, a text, a key, an image or a file does."""
    knowledge = shutil.copytree(world.knowledge, tmp_path / "knowledge")
    red, green, blue = (knowledge / f"{name}.yaml" for name in ("red_disc", "green_square", "blue_bar"))
    red.write_text("# a comment\n" + red.read_text())
    assert cli("index", "verify", built, "--knowledge", knowledge).code == 0
    red.write_text(red.read_text().replace("evenly red", "fully red"))
    (knowledge / "own.png").write_bytes(png((1, 2, 3)))
    text = green.read_text().replace("plain green square, ", "")
    green.write_text(text.replace("provenance:", "references: [own.png]\nprovenance:"))
    blue.rename(knowledge / "blue_rod.yaml")
    rod = knowledge / "blue_rod.yaml"
    rod.write_text(rod.read_text().replace("product: blue_bar", "product: blue_rod"))
    ran = cli("index", "verify", built, "--knowledge", knowledge)
    assert ran.code == 1
    assert f"blue_bar has no file in {knowledge}; run `mmad-rag index remove {built} blue_bar`" in ran.out
    assert f"{rod} is not in the index; run `mmad-rag build-index {knowledge} --out {built}`" in ran.out
    assert f"{red} changed since the index was built (1 passage(s) new, 1 passage(s) gone);" in ran.out
    assert "1 key(s) gone, 1 reference image(s) new" in ran.out
    assert cli("index", "rename", built, "blue_bar", "blue_rod").code == 0
    assert "blue_rod" not in cli("index", "verify", built, "--knowledge", knowledge).out
    red.write_text("nonsense")
    assert "red_disc.yaml:1: " in cli("index", "verify", built, "--knowledge", knowledge).out


def test_verify_compares_with_encoders(cli: Cli, built: Path, world: World) -> None:
    ran = cli("index", "verify", built, "--encoder", "builtin:tiny", "--text-encoder", "builtin:tiny")
    assert ran.code == 1
    assert ran.out.count("the vectors were made by test:colour, whose weights or preprocessing are not") == 2
    assert ran.out.count("vectors have 3 numbers, those of builtin:tiny have 128") == 2
    by_words = KnowledgeIndex.build(world.knowledge, "builtin:tiny", text_encoder="words")
    by_words.save(built)
    assert cli("index", "verify", built, "--encoder", "builtin:tiny").code == 0
    ran = cli("index", "verify", built, "--text-encoder", "builtin:tiny")
    assert "passages have no vectors, so builtin:tiny did not make them" in ran.out


def test_without_a_folder_the_knowledge_that_ships_is_indexed(cli: Cli, tmp_path: Path) -> None:
    built = cli("build-index", "--encoder", "builtin:tiny", "--out", tmp_path / "index")
    assert built.code == 0, built.err
    assert len(KnowledgeIndex.load(tmp_path / "index").products) == 38
