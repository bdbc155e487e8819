"""Processes that write or read one index folder at the same time: MODE FOLDER ARGUMENTS."""

from __future__ import annotations

import itertools
import sys
import time
from pathlib import Path

from mmad_rag.errors import IndexMismatchError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.folder.write import index_lock
from tests.support.waiting import wait_for


def write(folder: Path, generations: list[Path], done: Path) -> None:
    """Replace the index by each generation in turn until `done` exists."""
    indexes = itertools.cycle([KnowledgeIndex.load(path) for path in generations])
    next(indexes)  # the one that is there

    def saved_the_last() -> bool:
        next(indexes).save(folder)
        return done.exists()

    wait_for(saved_the_last, f"{done} is there", pause=0.0)


def read(folder: Path, times: int) -> None:
    """Load the index so many times; print the fingerprint of every load, or what went wrong."""
    for _ in range(times):
        try:
            print(KnowledgeIndex.load(folder).fingerprint)
        except IndexMismatchError as error:
            print(f"error: {error}")


def hold(folder: Path, ready: Path) -> None:
    """Hold the lock until killed."""
    with index_lock(folder):
        ready.touch()
        time.sleep(60)


if __name__ == "__main__":
    mode, target, *rest = sys.argv[1:]
    if mode == "write":
        write(Path(target), [Path(name) for name in rest[1:]], Path(rest[0]))
    elif mode == "read":
        read(Path(target), int(rest[0]))
    else:
        hold(Path(target), Path(rest[0]))
