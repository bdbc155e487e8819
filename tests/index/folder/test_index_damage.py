"""Damage: an index changed, cut or forged in any way is refused with one message, or is what it was."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.folder.verify import verify_index
from tests.index.folder.forging import FILES, MEND, forge, path_of, refusal
from tests.support.world import World

EVERY = pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.slow)])
"""The quick tests take every 17th byte."""


@EVERY
@pytest.mark.parametrize("name", ["manifest.json", *FILES])
def test_a_file_cut_at_any_byte_is_refused(folder: Path, name: str, step: int) -> None:
    path = path_of(folder, name)
    data = path.read_bytes()
    for length in range(0, len(data), step):
        path.write_bytes(data[:length])
        message = refusal(folder)
        if message is None:
            assert data[length:].isspace()
            assert name == "manifest.json"
        else:
            assert path.name in message
    path.write_bytes(data)
    assert refusal(folder) is None


@EVERY
@pytest.mark.parametrize("name", ["manifest.json", *FILES])
def test_a_flipped_byte_is_refused_or_changes_nothing(
    small: KnowledgeIndex, folder: Path, name: str, step: int
) -> None:
    """Every byte of every file, by one other value each."""
    path = path_of(folder, name)
    data = path.read_bytes()
    values = np.random.default_rng(7).integers(1, 256, len(data)).tolist()
    for place in range(0, len(data), step):
        path.write_bytes(data[:place] + bytes([data[place] ^ values[place]]) + data[place + 1 :])
        if refusal(folder) is None:
            loaded = KnowledgeIndex.load(folder)
            assert (loaded.manifest, loaded.passages) == (small.manifest, small.passages)
            assert name == "manifest.json"


def test_white_space_and_order_of_the_manifest_change_nothing(small: KnowledgeIndex, folder: Path) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(dict(reversed(document.items())), indent=7, sort_keys=False) + "\n\n")
    loaded = KnowledgeIndex.load(folder)
    assert loaded.manifest == small.manifest
    assert loaded.fingerprint == small.fingerprint
    document["files"] = dict(reversed(document["files"].items()))
    path.write_text(json.dumps(document))
    assert KnowledgeIndex.load(folder).fingerprint == small.fingerprint


def test_every_value_of_the_manifest_is_guarded(folder: Path) -> None:
    path = folder / "manifest.json"
    original = json.loads(path.read_bytes())
    for change, words in (
        ({"library": "9"}, "was changed after it was written"),
        ({"approximate_above": 1}, "was changed after it was written"),
        ({"knowledge": {}}, "was changed after it was written"),
        ({"calibration": None}, "was changed after it was written"),
        (
            {"calibration": {**original["calibration"], "threshold": 0.25}},
            "was changed after it was written",
        ),
        ({"digest": "0" * 64}, "was changed after it was written"),
        ({"digest": None}, "was changed after it was written"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"counts": {}}, r"counts.products: Field required"),
        ({"format": 1}, "it is of format 1, this version reads 2"),
        ({"format": True}, "format"),
        ({"format": 3}, "it is of format 3, this version reads 2"),
    ):
        path.write_text(json.dumps({**original, **change}))
        message = refusal(folder)
        assert message is not None
        assert words in message
    for text in ("", "{", "[]", "3", "[" * 100_000, "\ufeff{}"):
        path.write_text(text, encoding="utf-8")
        message = refusal(folder)
        assert message is not None
        assert "manifest.json: " in message


def test_an_index_of_the_first_format_is_refused_with_the_command(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"format": 1, "library": "0.1.0", "files": {}}')
    message = refusal(folder)
    assert message == (
        f"the index {folder} cannot be used: manifest.json: it is of format 1, this version reads 2; "
        f"{MEND} {folder}`"
    )


def test_swapped_files_are_refused(index: KnowledgeIndex, folder: Path, tmp_path: Path) -> None:
    """Within an index, and between two."""
    for first, second in (("keys.npy", "references.npy"), ("keys.jsonl", "passages.jsonl")):
        paths = path_of(folder, first), path_of(folder, second)
        contents = [path.read_bytes() for path in paths]
        paths[0].write_bytes(contents[1])
        paths[1].write_bytes(contents[0])
        message = refusal(folder)
        assert message is not None
        assert any(path.name in message for path in paths)
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
    assert refusal(folder) is None
    index.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "manifest.json", folder)
    message = refusal(folder)
    assert message is not None
    assert "is gone" in message


def test_a_file_that_grew_is_not_read(folder: Path) -> None:
    """A sparse file of a terabyte costs its owner nothing."""
    path = path_of(folder, "passages.npy")
    os.truncate(path, 10**12)
    message = refusal(folder)
    assert message is not None
    assert "it has 1,000,000,000,000 bytes, more than" in message
    os.truncate(folder / "manifest.json", 10**12)
    message = refusal(folder)
    assert message is not None
    assert "manifest.json: it has 1,000,000,000,000 bytes" in message


def test_the_manifest_names_the_files_of_an_index_and_no_other(folder: Path) -> None:
    """A name with a path in it never reaches the file system."""
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    stamp = files["keys.npy"]
    for wrong in ({}, {**files, "../escape.npy": stamp}, {**files, "/etc/passwd": stamp}):
        forge(folder, files=wrong)
        message = refusal(folder)
        assert message is not None
        assert "names other files than" in message
    forge(folder, files={name: stamp for name, stamp in files.items() if name != "passages.npy"})
    assert refusal(folder) is not None
    forge(folder, text_encoder=None, files=files)
    assert refusal(folder) is not None


@pytest.mark.parametrize("name", ["keys.npy", "manifest.json"])
@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_links_and_pipes_are_not_read(folder: Path, tmp_path: Path, name: str, kind: str) -> None:
    """A link may lead out of the folder, a pipe would make a reader wait for ever."""
    path = path_of(folder, name)
    path.rename(tmp_path / "kept")
    if kind == "link":
        path.symlink_to(tmp_path / "kept")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    message = refusal(folder)
    assert message is not None
    assert f"{path.name}: it is a link or no plain file" in message


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(self: Path, *arguments: object, **options: object) -> object:
        raise PermissionError(13, "Permission denied")

    path = path_of(folder, "keys.npy")
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *rest: (forbidden if self == path else real)(self, *rest))
    message = refusal(folder)
    assert message is not None
    assert f"{path.name} cannot be read (Permission denied)" in message
    monkeypatch.setattr(Path, "open", forbidden)
    message = refusal(folder)
    assert message is not None
    assert "manifest.json cannot be read (Permission denied)" in message


def test_verify_lists_every_damaged_file(
    world: World, encoder: Encoder, index: KnowledgeIndex, tmp_path: Path
) -> None:
    folder = tmp_path / "i"
    index.save(folder)
    assert verify_index(folder, knowledge=world.knowledge, encoder=encoder, text_encoder=encoder) == ()
    damaged = [path_of(folder, name) for name in ("keys.npy", "passages.jsonl", "references.npy")]
    damaged[0].unlink()
    for path in damaged[1:]:
        path.write_bytes(path.read_bytes()[:-1])
    findings = verify_index(folder)
    assert len(findings) == 3
    assert all(any(path.name in finding for finding in findings) for path in damaged)
    (folder / "manifest.json").unlink()
    assert [MEND in finding for finding in verify_index(folder)] == [True]
