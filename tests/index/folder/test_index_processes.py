"""Several processes at one index folder: every reader sees one whole index, whatever a writer does."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.change import remove_products
from mmad_rag.index.data import IndexData
from mmad_rag.index.folder import read, verify, write
from mmad_rag.index.folder.write import update_index
from tests.support.waiting import wait_for
from tests.support.warm import Warm, WarmProcess


@pytest.fixture(scope="module")
def generations(index: KnowledgeIndex) -> tuple[KnowledgeIndex, ...]:
    """Three indexes with different files."""
    return index, index.remove("red_disc"), index.rename("red_disc", "red_ring")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


PROCESS = ("python", "-m", "tests.index.folder.index_processes")


def test_an_index_is_changed_in_place_while_no_other_can_write(
    index: KnowledgeIndex, tmp_path: Path, warm: Warm
) -> None:
    index.save(tmp_path / "i")

    def change(old: IndexData) -> IndexData:
        assert not can_lock(warm, tmp_path / "i")
        return remove_products(old, ["red_disc"])

    changed = update_index(tmp_path / "i", change)
    assert changed.products == ("blue_bar", "green_square")
    assert KnowledgeIndex.load(tmp_path / "i").fingerprint == changed.fingerprint
    assert can_lock(warm, tmp_path / "i")


def can_lock(warm: Warm, folder: Path) -> bool:
    """Whether another process could take the lock now."""
    code = "import sys; from pathlib import Path; from mmad_rag.index.folder import write\n"
    code += "write._WAIT_S = 0.0\nwith write.index_lock(Path(sys.argv[1])): pass"
    return warm.run("python", "-c", code, folder).returncode == 0


def test_a_second_writer_waits_and_is_told_who_is_writing(
    index: KnowledgeIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm: Warm
) -> None:
    """The lock goes with the process that held it, however that ends."""
    folder, ready = tmp_path / "i", tmp_path / "ready"
    index.save(folder)
    monkeypatch.setattr(write, "_WAIT_S", 0.1)
    holder = warm.start(*PROCESS, "hold", folder, ready)
    try:
        wait_for(ready.exists, "the other process holds the lock", process=holder)
        with pytest.raises(IndexMismatchError, match=r"another process is writing the .*wait for it to end"):
            index.save(folder)
        assert KnowledgeIndex.load(folder).fingerprint == index.fingerprint
    finally:
        holder.kill()
    index.save(folder)


def test_readers_always_see_one_whole_generation(
    generations: tuple[KnowledgeIndex, ...], tmp_path: Path, warm: Warm
) -> None:
    """One process replaces the index again and again while two others load it 30 times without a pause."""
    folder, done = tmp_path / "i", tmp_path / "done"
    for number, generation in enumerate(generations):
        generation.save(tmp_path / str(number))
    generations[0].save(folder)
    writer = warm.start(*PROCESS, "write", folder, done, *(tmp_path / str(number) for number in range(3)))
    wait_for_another(folder, writer)
    loads = []
    with (tmp_path / "first").open("w+b") as first, (tmp_path / "second").open("w+b") as second:
        readers = [warm.start(*PROCESS, "read", folder, 30, stdout=file) for file in (first, second)]
        assert [reader.wait() for reader in readers] == [0, 0]
    assert writer.poll() is None
    done.touch()
    assert writer.wait() == 0
    loads = [line for name in ("first", "second") for line in (tmp_path / name).read_text().splitlines()]
    known = {generation.fingerprint for generation in generations}
    assert len(loads) == 60
    assert set(loads) <= known
    assert len(set(loads)) > 1
    assert KnowledgeIndex.load(folder).fingerprint in known


def wait_for_another(folder: Path, writer: WarmProcess) -> None:
    """Until the writer has replaced the index once."""
    before = (folder / "manifest.json").stat().st_ino
    wait_for(
        lambda: (folder / "manifest.json").stat().st_ino != before,
        "the index was replaced",
        process=writer,
        pause=0.001,
    )


def test_a_killed_writer_leaves_one_whole_generation(
    generations: tuple[KnowledgeIndex, ...], tmp_path: Path, warm: Warm
) -> None:
    """Killed at some moment of its work, several times over; the next write clears up."""
    folder = tmp_path / "i"
    for number, generation in enumerate(generations):
        generation.save(tmp_path / str(number))
    generations[0].save(folder)
    for pause in (0.0, 0.003, 0.01):
        never = tmp_path / "never"
        writer = warm.start(
            *PROCESS, "write", folder, never, *(tmp_path / str(number) for number in range(3))
        )
        wait_for_another(folder, writer)
        time.sleep(pause)
        writer.kill()
        known = {generation.fingerprint for generation in generations}
        assert KnowledgeIndex.load(folder).fingerprint in known
    generations[0].save(folder)
    assert len(names(folder)) == 8


class CutOffError(BaseException):
    """Ends a write like a kill: nothing catches it."""


@contextlib.contextmanager
def cut_off_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends whatever writes at its step number `steps`: before a sync, or before a file gets its name."""
    taken = 0
    with monkeypatch.context() as patch:
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            real = getattr(owner, name)

            def step(*arguments: object, real: object = real, **options: object) -> object:
                nonlocal taken
                taken += 1
                if taken > steps:
                    raise CutOffError
                assert callable(real)
                return real(*arguments, **options)

            patch.setattr(owner, name, step)
        yield


def test_a_write_cut_off_at_any_step_leaves_the_older_or_the_new_index(
    generations: tuple[KnowledgeIndex, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = generations[0], generations[2]
    seen = []
    for steps in range(100):
        folder = tmp_path / str(steps)
        old.save(folder)
        with cut_off_after(steps, monkeypatch), contextlib.suppress(CutOffError):
            new.save(folder)
            break
        seen.append(KnowledgeIndex.load(folder).fingerprint)
    assert len(seen) > 10
    switch = seen.index(new.fingerprint)
    assert set(seen[:switch]) == {old.fingerprint}
    assert set(seen[switch:]) == {new.fingerprint}


def test_a_reader_that_is_overtaken_reads_the_newer_index(
    generations: tuple[KnowledgeIndex, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives up when that never ends, and at once when a file is gone for good."""
    folder = tmp_path / "i"
    generations[0].save(folder)
    real, overtaken = read.read_manifest, 0

    def overtaking(place: Path) -> read.ReadManifest:
        nonlocal overtaken
        found = real(place)
        if overtaken < limit:
            overtaken += 1
            generations[overtaken % 3].save(folder)
        return found

    monkeypatch.setattr(read, "read_manifest", overtaking)
    limit = 2
    assert KnowledgeIndex.load(folder).fingerprint == generations[2].fingerprint
    limit = 1_000_000
    monkeypatch.setattr(read, "_TRIES", 3)
    with pytest.raises(IndexMismatchError, match="it was replaced 3 times while it was read"):
        KnowledgeIndex.load(folder)
    limit = 0
    next(folder.glob("passages.*.jsonl")).unlink()
    with pytest.raises(IndexMismatchError, match=r"passages\.[0-9a-f]{12}\.jsonl is gone; build"):
        KnowledgeIndex.load(folder)


def test_left_overs_that_cannot_be_removed_wait_for_the_next_write(
    generations: tuple[KnowledgeIndex, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some systems do not remove a file that a reader has open."""
    folder = tmp_path / "i"
    generations[0].save(folder)

    def busy(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "in use")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", busy)
        generations[1].save(folder)
    assert len(names(folder)) > 8
    assert KnowledgeIndex.load(folder).fingerprint == generations[1].fingerprint
    generations[1].save(folder)
    assert len(names(folder)) == 8


def test_verify_that_is_overtaken_looks_at_the_newer_index(
    generations: tuple[KnowledgeIndex, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes no file for gone that a writer has just removed."""
    folder = tmp_path / "i"
    generations[0].save(folder)
    real, reads = read.read_manifest, []

    def overtaking(place: Path) -> read.ReadManifest:
        found = real(place)
        reads.append(found)
        if len(reads) <= limit:
            generations[len(reads) % 3].save(folder)
        return found

    monkeypatch.setattr(verify, "read_manifest", overtaking)
    limit = 2
    assert verify.verify_index(folder) == ()
    assert len(reads) == 3
    limit = 1_000_000
    assert "is gone" in verify.verify_index(folder)[0]
