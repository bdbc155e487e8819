"""Wait for a blocking call without holding up the event loop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")

MOST_AT_ONCE = 64
"""Calls that wait in threads together; further ones queue."""
_POOL = ThreadPoolExecutor(MOST_AT_ONCE, "mmad-rag-model")


async def in_thread(call: Callable[[], _T]) -> _T:
    """What the call returns.

    Calls to models mostly wait for a network. The pool of `asyncio.to_thread`, made for work, has four
    threads more than the machine has cores: too few for waiting, and look-ups run in it.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_POOL, lambda: context.run(call))
