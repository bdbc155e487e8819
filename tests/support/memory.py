"""Keep what tests write in memory where there is room, as some disks take milliseconds to remove a file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108  pytest makes a folder of its own in it
ROOM = 2**30
"""Bytes that must be free; the whole suite writes about a seventh of it."""


def write_to_memory() -> None:
    """Let pytest make its temporary folders there from now on, unless it was told where."""
    told = "PYTEST_DEBUG_TEMPROOT" in os.environ
    if not told and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)
