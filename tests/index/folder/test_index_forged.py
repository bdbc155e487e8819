"""Vectors and rows that were forged, with every hash made right again, are refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.folder.files import name_on_disk
from mmad_rag.index.folder.verify import verify_index
from mmad_rag.index.manifest import FileStamp
from tests.index.folder.forging import FILES, forge, path_of, refusal


def rewrite(folder: Path, name: str, data: bytes) -> None:
    """Change a file with its hashes everywhere, as a forger would."""
    path_of(folder, name).unlink()
    stamp = FileStamp(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    (folder / name_on_disk(name, stamp.sha256)).write_bytes(data)
    files = json.loads((folder / "manifest.json").read_bytes())["files"]
    forge(folder, files={**files, name: stamp.model_dump()})


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
