"""Wait for something that another thread or process does, and fail where it does not happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Protocol

TIMEOUT_S = 300.0
"""A busy machine needs much less; only what never happens takes so long."""


class Process(Protocol):
    """Whatever can be asked whether it has ended, such as `subprocess.Popen` and `WarmProcess`."""

    def poll(self) -> int | None:
        """Give the exit status, if it has ended."""
        ...


def wait_for(
    condition: Callable[[], object],
    what: str,
    *,
    timeout: float = TIMEOUT_S,
    pause: float = 0.005,
    process: Process | None = None,
) -> None:
    """Ask the condition again and again until it holds.

    Args:
        condition: It is asked at least once.
        what: The words for the condition in the message, such as "the file is there".
        timeout: Seconds.
        pause: Seconds between two times.
        process: Must not end before the condition holds.

    Raises:
        AssertionError: the condition did not hold in time, or the process ended before; says which.
    """
    for _ in _tries(condition, what, timeout, process):
        time.sleep(pause)


async def wait_for_async(
    condition: Callable[[], object], what: str, *, timeout: float = TIMEOUT_S, pause: float = 0.005
) -> None:
    """Do as `wait_for` does, and let the event loop go on meanwhile."""
    for _ in _tries(condition, what, timeout, None):
        await asyncio.sleep(pause)


def _tries(
    condition: Callable[[], object], what: str, timeout: float, process: Process | None
) -> Iterator[None]:
    end = time.monotonic() + timeout
    while not condition():
        assert process is None or process.poll() is None, f"the process ended before this: {what}"
        assert time.monotonic() < end, f"this did not happen within {timeout:g} s: {what}"
        yield
