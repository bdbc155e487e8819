"""Where models wait: a resource per event loop, a pool of threads, one loop in the background."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes a resource when a loop first asks for it, and closes it when that loop shuts down.

    Connections belong to the loop that opened them, and `asyncio.run` makes a new loop each time, so one
    resource for all would be bound to a dead loop. Each resource lives inside an asynchronous generator:
    loops close their generators before they end, which is the one hook that `asyncio.run` offers.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[None]]) -> None:
        self._make = make
        self._close = close
        self._living: dict[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[T, None]]] = {}

    async def get(self) -> T:
        """The running loop's resource."""
        loop = asyncio.get_running_loop()
        if loop not in self._living:
            self._forget_closed_loops()
            generator = self._live(loop)
            # No await inside the generator comes before its yield: two tasks cannot both get here.
            self._living[loop] = (await anext(generator), generator)
        return self._living[loop][0]

    async def _live(self, loop: asyncio.AbstractEventLoop) -> AsyncGenerator[T, None]:
        resource = self._make()
        try:
            yield resource
        finally:
            self._living.pop(loop, None)
            await self._close(resource)

    def _forget_closed_loops(self) -> None:
        """Loops that were closed without shutting down their generators."""
        for loop in [loop for loop in self._living if loop.is_closed()]:
            self._living.pop(loop, None)


MOST_AT_ONCE = 64
"""Calls that wait in threads together; further ones queue."""
_POOL = ThreadPoolExecutor(MOST_AT_ONCE, "mmad-rag-model")


async def in_thread(call: Callable[[], T]) -> T:
    """What the call returns.

    Calls to models mostly wait for a network. The pool of `asyncio.to_thread`, made for work, has four
    threads more than the machine has cores: too few for waiting, and look-ups run in it.
    """
    context = contextvars.copy_context()
    return await asyncio.get_running_loop().run_in_executor(_POOL, lambda: context.run(call))


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
