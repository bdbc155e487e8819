"""Damage: an index changed, cut or forged in any way is refused with one message, or is what it was."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import IndexMismatchError
from mmad_rag.index import KnowledgeIndex, Manifest
from mmad_rag.index.folder.files import name_on_disk
from mmad_rag.index.folder.verify import verify_index
from mmad_rag.index.manifest import FileStamp
from tests.index.index_calibration import with_it
from tests.support.world import World

MEND = "build it again with `mmad-rag build-index KNOWLEDGE --out"
FILES = ("passages.jsonl", "keys.jsonl", "references.jsonl", "passages.npy", "keys.npy", "references.npy")


@pytest.fixture(scope="module")
def small(world: World, encoder: Encoder) -> KnowledgeIndex:
    """One product with its passages, keys and references, and a calibration."""
    built = KnowledgeIndex.build(
        world.knowledge, encoder, text_encoder=encoder, references=world.references, views=("whole",)
    )
    return with_it(built.remove("blue_bar", "green_square"))


@pytest.fixture
def folder(small: KnowledgeIndex, tmp_path: Path) -> Path:
    small.save(tmp_path / "i")
    return tmp_path / "i"


def path_of(folder: Path, name: str) -> Path:
    """Where the folder holds `keys.npy`, or `manifest.json`."""
    stem, _, suffix = name.partition(".")
    found = sorted(folder.glob(f"{stem}.*{suffix}"))
    assert len(found) == 1
    return found[0]


def refusal(folder: Path) -> str | None:
    """The message, or None when the index loads."""
    try:
        KnowledgeIndex.load(folder)
    except IndexMismatchError as error:
        message = str(error)
    else:
        return None
    assert message.count(MEND) == 1
    assert "\n" not in message
    return message


def forge(folder: Path, **changes: object) -> None:
    """Change the manifest as one who knows how its digest is made."""
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    document.pop("digest")
    manifest = Manifest.model_validate_json(json.dumps({**document, **changes}))
    path.write_bytes(manifest.to_json())


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Change a file with its hashes everywhere, as a forger would."""
    path_of(folder, name).unlink()
    stamp = FileStamp(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (folder / name_on_disk(name, stamp.sha256)).write_bytes(data)
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    forge(folder, files={**files, name: stamp.model_dump()})


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


def npy(array: np.ndarray, *, pickled: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=pickled)
    return buffer.getvalue()


def header(shape: object, descr: str = "'<f4'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.place),)


def unit_rows(count: int) -> np.ndarray:
    return np.tile(np.array([1.0, 0.0, 0.0], np.float32), (count, 1))


def with_row(change: Callable[[np.ndarray], object]) -> bytes:
    rows = unit_rows(5)
    change(rows[3])
    return npy(rows)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (with_row(lambda row: row.fill(np.nan)), "row 3 holds values that are not finite"),
        (with_row(lambda row: row.fill(np.inf)), "row 3 holds values that are not finite"),
        (with_row(lambda row: row.fill(0)), "row 3 has the length 0, not 1"),
        (with_row(lambda row: row.fill(1e30)), "row 3 has the length"),
        (npy(unit_rows(5) * 1.01), r"row 0 has the length 1.01, not 1 (5 row(s) are wrong)"),
        (npy(unit_rows(4)), "the shape (4, 3), not (5, 3)"),
        (npy(unit_rows(5).T), "'shape': (3, 5)"),
        (npy(unit_rows(5).astype(np.float64)), "<f8"),
        (npy(unit_rows(5).astype(">f4")), ">f4"),
        (npy(np.asfortranarray(unit_rows(5))), "'fortran_order': True"),
        (npy(unit_rows(5)) + b"\0\0\0\0", "64 bytes of numbers, not 60"),
        (npy(unit_rows(5))[:-4], "56 bytes of numbers, not 60"),
        (header("(5, 3)"), "0 bytes of numbers, not 60"),
        (header("(4000000000, 3)"), "the shape (4000000000, 3)"),
        (header("(5, 3)", "'|O'"), "|O"),
        (header("__import__('os').getcwd()"), "is not as this version writes it"),
        (header("(5,"), "is not as this version writes it"),
        (b"\x93NUMPY\x03\x00" + b"\0" * 200, "does not begin as rows of float32 do"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b" " * 70_000, "is not as this version writes it"),
        (b"", "is not as this version writes it"),
        (b"no array at all", "is not as this version writes it"),
    ],
)
def test_forged_vectors_are_refused(folder: Path, data: bytes, words: str) -> None:
    rewrite(folder, "keys.npy", data)
    message = refusal(folder)
    assert message is not None
    assert words in message
    assert any(words in finding for finding in verify_index(folder))


def test_nothing_is_unpickled(folder: Path, tmp_path: Path) -> None:
    trap = np.empty((5, 3), dtype=object)
    trap[0, 0] = Trap(tmp_path / "sprung")
    rewrite(folder, "keys.npy", npy(trap, pickled=True))
    message = refusal(folder)
    assert message is not None
    assert "does not begin as rows of float32 do" in message
    assert not (tmp_path / "sprung").exists()


def test_a_huge_shape_takes_no_memory(folder: Path) -> None:
    """Also where the manifest was forged to expect it."""
    rewrite(folder, "keys.npy", header("(5, 100000000000)"))
    encoder = json.loads((folder / "manifest.json").read_bytes())["encoder"]
    forge(folder, encoder={**encoder, "dim": 100_000_000_000})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(folder)
    assert message is not None
    assert "0 bytes of numbers, not 2000000000000" in message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


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


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("keys.jsonl", '{"product": "red_disc"}', "row 1 has not the fields kind, product, text"),
        (
            "keys.jsonl",
            '{"product": "red_disc", "text": "x", "kind": "song"}',
            "'song' is not a valid KeyKind",
        ),
        ("keys.jsonl", '{"product": "red_disc", "text": 3, "kind": "name"}', "a field that is not text"),
        ("keys.jsonl", "[]", "row 1 has not the fields"),
        ("keys.jsonl", "no json", "is not as this version writes it"),
        ("keys.jsonl", "[" * 100_000, "is not as this version writes it"),
        ("keys.jsonl", "\udcff", "is not as this version writes it"),
        (
            "keys.jsonl",
            '{"product": "red_disc", "text": "x", "kind": "name"}',
            "shape (5, 3), not (1, 3)",
        ),
    ],
)
def test_forged_rows_are_refused(folder: Path, name: str, line: str, words: str) -> None:
    rewrite(folder, name, f"{line}\n".encode(errors="surrogateescape"))
    message = refusal(folder)
    assert message is not None
    assert words in message


def test_rows_that_contradict_each_other_are_refused(small: KnowledgeIndex, folder: Path) -> None:
    """Each contradiction alone stops a load; `verify` lists them all."""
    original = {name: path_of(folder, name).read_bytes() for name in FILES}
    manifest = json.loads((folder / "manifest.json").read_bytes())

    def rows(name: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in original[name].decode().splitlines()]

    def put(name: str, changed: list[dict[str, str]]) -> None:
        rewrite(folder, name, "".join(json.dumps(row) + "\n" for row in changed).encode())

    passages, references = rows("passages.jsonl"), rows("references.jsonl")
    for name, changed, words in (
        ("passages.jsonl", [{**row, "product": "pill"} for row in passages], "passages of pill, which the"),
        (
            "passages.jsonl",
            [{**row, "product": "pill"} for row in passages],
            "no passage of red_disc",
        ),
        ("passages.jsonl", [passages[1], *passages[1:]], "is used 2 times"),
        ("references.jsonl", references[::-1], "references are not sorted"),
        ("references.jsonl", [references[0]] * 2, "/whole is there 2 times"),
        ("references.jsonl", [{**row, "view": "half"} for row in references], "the view half, which the"),
        ("references.jsonl", [{**row, "product": "pill"} for row in references], "references of pill"),
        ("keys.jsonl", [{**row, "product": "pill"} for row in rows("keys.jsonl")], "keys of pill"),
    ):
        put(name, changed)
        assert refusal(folder) is not None
        assert any(words in finding for finding in verify_index(folder)), words
        rewrite(folder, name, original[name])
    forge(folder, counts={**manifest["counts"], "passages": 3})
    message = refusal(folder)
    assert message is not None
    assert "the manifest counts 3 passages, there are 17" in message
    forge(folder, counts=manifest["counts"])
    assert refusal(folder) is None


def test_products_out_of_order_are_refused(index: KnowledgeIndex, tmp_path: Path) -> None:
    folder = tmp_path / "i"
    index.save(folder)
    for name, words in (("passages.jsonl", "passages are not sorted"), ("keys.jsonl", "keys are not sorted")):
        data = path_of(folder, name).read_bytes()
        rewrite(folder, name, b"".join(data.splitlines(keepends=True)[::-1]))
        message = refusal(folder)
        assert message is not None
        assert words in message
        rewrite(folder, name, data)


def test_an_index_of_nothing_that_can_be_routed_to_is_refused(folder: Path) -> None:
    for name in ("keys", "references"):
        rewrite(folder, f"{name}.jsonl", b"")
        rewrite(folder, f"{name}.npy", npy(np.empty((0, 3), np.float32)))
    counts = json.loads((folder / "manifest.json").read_bytes())["counts"]
    forge(folder, counts={**counts, "keys": 0, "references": 0})
    message = refusal(folder)
    assert message is not None
    assert "neither keys nor references" in message


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
