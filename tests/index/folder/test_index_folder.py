"""The index folder: what is saved is what is loaded, and nothing foreign is touched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.folder.write import update_index


@pytest.fixture(scope="module")
def generations(index: KnowledgeIndex) -> tuple[KnowledgeIndex, ...]:
    """Three indexes with different files."""
    return index, index.remove("red_disc"), index.rename("red_disc", "red_ring")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_saving_and_loading_changes_nothing(index: KnowledgeIndex, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "index"
    index.save(folder)
    loaded = KnowledgeIndex.load(folder)
    assert loaded.manifest == index.manifest
    assert loaded.manifest.digest == index.manifest.digest
    assert loaded.fingerprint == index.fingerprint
    assert loaded.passages == index.passages
    assert loaded.keys == index.keys
    assert loaded.references == index.references
    for name, array in index.arrays().items():
        assert np.array_equal(loaded.arrays()[name], array)
        assert loaded.arrays()[name].flags.writeable
    assert names(tmp_path / "deep") == {"index"}


def test_the_name_of_a_file_carries_the_hash_of_its_content(index: KnowledgeIndex, tmp_path: Path) -> None:
    """Another content has another name, so that no file is ever changed."""
    index.save(tmp_path / "i")
    stems = set()
    for path in (tmp_path / "i").iterdir():
        if path.name not in ("manifest.json", ".index.lock"):
            stem, digits, suffix = path.name.split(".")
            assert hashlib.sha256(path.read_bytes()).hexdigest()[:12] == digits
            stems.add(f"{stem}.{suffix}")
    assert stems == set(index.manifest.files)
    assert stems == {
        f"{name}.{kind}" for name in ("passages", "keys", "references") for kind in ("jsonl", "npy")
    }


def test_an_older_index_is_replaced_with_all_its_files(
    generations: tuple[KnowledgeIndex, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "i"
    for generation in (*generations, *generations):
        generation.save(folder)
        assert KnowledgeIndex.load(folder).fingerprint == generation.fingerprint
        assert len(names(folder)) == 8
    for left_over in ("passages.jsonl", "keys.0123456789ab.npy", ".manifest.json.draft"):
        (folder / left_over).write_text("left over")
    (folder / "notes.txt").write_text("of the user")
    generations[0].save(folder)
    assert len(names(folder)) == 9
    assert (folder / "notes.txt").read_text() == "of the user"


def test_what_did_not_change_is_not_written_again(index: KnowledgeIndex, tmp_path: Path) -> None:
    """A damaged file of the right name is."""
    folder = tmp_path / "i"
    index.save(folder)
    keys, passages = next(folder.glob("keys.*.npy")), next(folder.glob("passages.*.npy"))
    before = keys.stat().st_mtime_ns, keys.stat().st_ino
    good = passages.read_bytes()
    passages.write_bytes(good[:-1] + b"?")
    index.save(folder)
    assert (keys.stat().st_mtime_ns, keys.stat().st_ino) == before
    assert passages.read_bytes() == good


def test_a_foreign_folder_is_never_touched(index: KnowledgeIndex, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    page = tmp_path / "page"
    page.mkdir()
    (page / "manifest.json").write_text("{}")
    (page / "app.js").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "absent")
    for place in (mine, mine / "thesis.txt", page, tmp_path / "nowhere"):
        with pytest.raises(IndexMismatchError, match="is not an index; choose another folder"):
            index.save(place)
    assert names(mine) == {"thesis.txt"}
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert names(page) == {"manifest.json", "app.js"}
    (tmp_path / "empty").mkdir()
    index.save(tmp_path / "empty")
    assert KnowledgeIndex.load(tmp_path / "empty").products == index.products


def test_a_place_that_cannot_be_written_is_named(
    index: KnowledgeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(IndexMismatchError, match=r"file/i cannot be written \(Not a directory\)"):
        index.save(tmp_path / "file" / "i")
    index.save(tmp_path / "i")

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IndexMismatchError, match=r"No space left .*an older index there is as it was"):
        index.remove("red_disc").save(tmp_path / "i")
    assert KnowledgeIndex.load(tmp_path / "i").fingerprint == index.fingerprint


def test_an_absent_index_names_the_command_that_makes_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in ("none", "file"):
        with pytest.raises(IndexMismatchError, match="mmad-rag build-index KNOWLEDGE --out"):
            KnowledgeIndex.load(tmp_path / place)
    with pytest.raises(IndexMismatchError, match="there is no index"):
        update_index(tmp_path / "none", lambda index: index)
    assert names(tmp_path) == {"file"}
