"""One event loop in a thread of its own, for clients that live longer than the loops of their callers."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class BackgroundLoop:
    """Runs coroutines on one loop, whatever loop asks for them.

    An asynchronous client keeps its connections for the loop that opened them, and `asyncio.run` ends its
    loop each time; a client whose making is not in our hands would come back to a dead one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await `call()` over there, with this task's context variables; cancelling this cancels that.

        Raises:
            Exception: whatever the coroutine raises.
        """
        context = contextvars.copy_context()  # tracing keeps its place in them

        async def over_there() -> T:
            return await asyncio.create_task(call(), context=context)

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(over_there(), self._living()))

    def _living(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=self._loop.run_forever, name="mmad-rag-background-loop", daemon=True
                ).start()
            return self._loop


BACKGROUND = BackgroundLoop()
"""One for the process; its thread starts with the first call."""
