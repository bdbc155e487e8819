"""One-step writes, the lock of a folder, and one line about an error of another library."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmad_rag.errors import DataError
from mmad_rag.files import FolderLock, atomic_write, draft_of, first_line, first_problem
from tests.support.paths import ROOT


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- files that others read


def test_a_file_is_written_and_replaced_without_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for data in (b"first", b"", b"\r\n\x00second"):
        atomic_write(path, data)
        assert path.read_bytes() == data
        assert names(tmp_path) == ["a.json"]


def test_a_file_gets_the_permissions_of_every_other_new_file(tmp_path: Path) -> None:
    """Not those of a temporary file, which only its owner may read."""
    before = os.umask(0o027)
    try:
        atomic_write(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_write_that_fails_leaves_what_was_there(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    atomic_write(tmp_path / "a", b"old")
    monkeypatch.setattr(*{"fsync": (os, "fsync", full), "replace": (Path, "replace", full)}[failing])
    with pytest.raises(OSError, match="No space left on device"):
        atomic_write(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "none" / "a", b"x")
    assert names(tmp_path) == []


def test_file_and_folder_are_synced_before_a_write_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes before the name is given, the name after that."""
    really_sync, synced = os.fsync, []

    def sync(file: int) -> None:
        synced.append((Path(f"/proc/self/fd/{file}").resolve(), names(tmp_path)))
        really_sync(file)

    monkeypatch.setattr(os, "fsync", sync)
    atomic_write(tmp_path / "a", b"x")
    (draft, at_first), (folder, at_last) = synced
    assert draft_of(draft.name) == "a"
    assert at_first == [draft.name]
    assert folder == tmp_path
    assert at_last == ["a"]


@pytest.mark.parametrize(("number", "passes"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_a_file_system_that_syncs_no_folder_is_written_to_all_the_same(
    number: int, passes: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_sync, calls = os.fsync, []

    def sync(file: int) -> None:
        calls.append(file)
        if len(calls) == 2:
            raise OSError(number, os.strerror(number))
        really_sync(file)

    monkeypatch.setattr(os, "fsync", sync)
    if passes:
        atomic_write(tmp_path / "a", b"x")
    else:
        with pytest.raises(OSError, match="Input/output error"):
            atomic_write(tmp_path / "a", b"x")
    assert (tmp_path / "a").read_bytes() == b"x"


def test_a_link_is_replaced_and_what_it_leads_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_bytes(b"years of work")
    (tmp_path / "a").symlink_to(tmp_path / "thesis")
    atomic_write(tmp_path / "a", b"x")
    assert not (tmp_path / "a").is_symlink()
    assert (tmp_path / "thesis").read_bytes() == b"years of work"


def test_two_writers_do_not_mix_their_bytes(tmp_path: Path) -> None:
    """Four threads write one file; whoever reads it sees the whole of one of their texts."""
    path, texts = tmp_path / "a", {bytes([letter]) * 200_000 for letter in b"abcd"}
    atomic_write(path, b"a" * 200_000)

    def write(text: bytes) -> None:
        for _ in range(10):
            atomic_write(path, text)

    writers = [threading.Thread(target=write, args=(text,)) for text in texts]
    for writer in writers:
        writer.start()
    seen = {path.read_bytes() for _ in range(30)}
    for writer in writers:
        writer.join()
    assert {*seen, path.read_bytes()} <= texts
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("name", "of"),
    [
        (".run.json.0123abcd.draft", "run.json"),
        (".run.json.draft", "run.json"),  # of an older version
        (".passages.0123456789ab.jsonl.0123abcd.draft", "passages.0123456789ab.jsonl"),
        ("run.json", None),
        ("run.json.draft", None),
        (".run.json.0123abcd.draft2", None),
        (".draft", None),
    ],
)
def test_a_draft_tells_what_it_was_for(name: str, of: str | None) -> None:
    assert draft_of(name) == of


# --- folders that others write


BUSY = DataError("another process is writing here; wait for it")
HOLD = """
import sys, time
from pathlib import Path
from mmad_rag.errors import DataError
from mmad_rag.files import FolderLock
with FolderLock(Path(sys.argv[1]), busy=DataError("held")):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_until_it_is_let_go(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock", busy=BUSY)
    with pytest.raises(DataError) as caught:
        FolderLock(tmp_path / "lock", busy=BUSY)
    assert caught.value is BUSY
    lock.release()
    lock.release()
    assert lock.file == -1
    with FolderLock(tmp_path / "lock", busy=BUSY) as again:
        os.write(again.file, b"row")
    with FolderLock(tmp_path / "lock", busy=BUSY) as again:
        os.write(again.file, b", row")
    assert (tmp_path / "lock").read_bytes() == b"row, row"


def test_a_lock_goes_with_the_process_that_held_it(tmp_path: Path) -> None:
    """However that ends; who may wait gets the lock then."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "lock")], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(DataError, match="another process is writing here"):
        FolderLock(tmp_path / "lock", busy=BUSY, wait_s=0.1)
    timer = threading.Timer(0.2, lambda: os.kill(holder.pid, signal.SIGKILL))
    timer.start()
    with FolderLock(tmp_path / "lock", busy=BUSY, wait_s=60.0):
        assert holder.wait(60) == -signal.SIGKILL
    timer.join()
    holder.communicate()


def test_a_lock_that_is_waited_for_is_tried_to_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock of its own: two seconds of waiting, in which nobody lets go."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda pause: now.__setitem__(0, now[0] + pause))
    with FolderLock(tmp_path / "lock", busy=BUSY), pytest.raises(DataError):
        FolderLock(tmp_path / "lock", busy=BUSY, wait_s=2.0)
    assert 102.0 <= now[0] < 102.1


def test_a_lock_file_that_cannot_be_opened_is_no_busy_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FolderLock(tmp_path / "none" / "lock", busy=BUSY)


# --- errors that others raise


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("CUDA error: no device\nCompile with ..."), "CUDA error: no device"),
        (RuntimeError("\n\r\n  Traceback\r\nmore"), "Traceback"),
        (KeyError("name"), "'name'"),
        (OSError(2, "No such file or directory"), "[Errno 2] No such file or directory"),
        (RuntimeError(" \n"), "RuntimeError"),
        (NotImplementedError(), "NotImplementedError"),
    ],
)
def test_the_first_line_of_an_error(error: Exception, line: str) -> None:
    assert first_line(error) == line


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=0)]


class Whole(BaseModel):
    parts: list[Part]

    @model_validator(mode="after")
    def _some(self) -> Whole:
        if not self.parts:
            raise ValueError("there is no part")
        return self


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            {"parts": [{"count": 1}, {"count": -1}, {"count": -2}]},
            "parts.1.count: Input should be greater than or equal to 0",
        ),
        ({"parts": []}, "Value error, there is no part"),
        ({}, "parts: Field required"),
        (
            {"parts": [{"count": 1, "\x1b[2J": 1}]},
            r"'parts.0.\x1b[2J': Extra inputs are not permitted",
        ),
    ],
)
def test_the_first_problem_that_pydantic_finds(given: object, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(given)
    assert first_problem(caught.value) == problem


LIGHT = """
import sys, types
package = types.ModuleType("mmad_rag")  # without what the package itself loads
package.__path__ = [sys.argv[1]]
sys.modules["mmad_rag"] = package
import mmad_rag.files
print(*{"pydantic", "numpy"} & set(sys.modules))
"""


def test_files_are_written_without_pydantic_and_numpy() -> None:
    command = [sys.executable, "-c", LIGHT, str(ROOT / "mmad_rag")]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == "\n"
