"""Locks of folders: a second writer, and file systems that know no locks."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mmad_rag.benchmark.dataset.manifest import data_lock
from mmad_rag.benchmark.run.store import lock_run
from mmad_rag.errors import DataError, IndexMismatchError, MmadRagError
from mmad_rag.files import FolderLock
from mmad_rag.index import KnowledgeIndex

HOLD = """
import sys
from pathlib import Path
from mmad_rag.errors import DataError
from mmad_rag.files import FolderLock
with FolderLock(Path(sys.argv[1]), busy=DataError("busy")):
    print("held", flush=True)
    sys.stdin.read()
"""
UNSUPPORTED = [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL]


@contextmanager
def held_by_another_process(path: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == b"held\n"
        yield
        other.stdin.close()
        assert other.wait(60) == 0


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Make every `flock` answer with an error, as file systems without locks do."""

    def set_answer(number: int) -> None:
        def refuse(_file: int, _how: int) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(fcntl, "flock", refuse)

    monkeypatch.delenv("MMAD_RAG_LOCK", raising=False)
    return set_answer


@pytest.mark.parametrize("number", [*UNSUPPORTED, errno.EAGAIN, errno.EACCES])
def test_a_file_system_without_locks_is_named_as_the_cause(
    tmp_path: Path, answers: Callable[[int], None], number: int
) -> None:
    """Also where it says of every file, even a new one, that another process has locked it."""
    answers(number)
    with pytest.raises(DataError, match="cannot lock files") as caught:
        FolderLock(tmp_path / "lock", busy=DataError("another process is writing"))
    said = str(caught.value)
    assert os.strerror(number) in said or "even a new file" in said
    assert str(tmp_path) in said
    assert "another process is writing" not in said
    assert "MMAD_RAG_LOCK=off" in said
    assert "local disk" in said


@pytest.mark.parametrize("number", [*UNSUPPORTED, errno.EAGAIN])
def test_the_variable_goes_on_without_a_lock(
    tmp_path: Path, answers: Callable[[int], None], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    answers(number)
    monkeypatch.setenv("MMAD_RAG_LOCK", "off")
    with FolderLock(tmp_path / "lock", busy=DataError("busy")) as lock:
        assert lock.file >= 0


@pytest.mark.parametrize("variable", ["", "off"])
def test_a_real_second_writer_is_refused_whatever_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("MMAD_RAG_LOCK", variable)
    path = tmp_path / "lock"
    with held_by_another_process(path), pytest.raises(DataError, match=r"^busy$"):
        FolderLock(path, busy=DataError("busy"))
    FolderLock(path, busy=DataError("busy")).release()


def test_other_errors_of_a_lock_stay_what_they_are(tmp_path: Path, answers: Callable[[int], None]) -> None:
    answers(errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        FolderLock(tmp_path / "lock", busy=DataError("busy"))


def test_every_folder_that_is_written_names_the_cause(
    tmp_path: Path, index: KnowledgeIndex, answers: Callable[[int], None]
) -> None:
    """A run's, an index's and a data set's."""

    def hold_data() -> None:
        with data_lock(tmp_path / "data"):
            pass

    answers(errno.ENOLCK)
    doors: list[tuple[Callable[[], object], type[MmadRagError]]] = [
        (lambda: lock_run(tmp_path / "run"), DataError),
        (lambda: index.save(tmp_path / "index"), IndexMismatchError),
        (hold_data, DataError),
    ]
    for door, kind in doors:
        with pytest.raises(kind, match=r"No locks available.*MMAD_RAG_LOCK=off"):
            door()
