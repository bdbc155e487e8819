"""Event loops and threads for calls to models: per-loop resources, a thread pool, a background loop."""

from __future__ import annotations

import asyncio
import contextvars
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Makes a resource when a loop first asks for it, and closes it when that loop shuts down.

    Connections belong to the loop that opened them, and `asyncio.run` makes a new loop each time, so a
    shared resource would be bound to a closed loop. Each resource lives inside an asynchronous generator:
    loops close their generators before they end, which is the only hook that `asyncio.run` offers.
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
            # The generator awaits nothing before its yield, so two tasks cannot both get here.
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
        """Drop the resources of loops that were closed without shutting down their generators."""
        for loop in [loop for loop in self._living if loop.is_closed()]:
            self._living.pop(loop, None)


_made: weakref.WeakSet[ForkedAnew] = weakref.WeakSet()


class ForkedAnew:
    """Something with threads, which a forked process does not inherit and has to start again."""

    def __init__(self) -> None:
        _made.add(self)

    def forget(self) -> None:
        """Forget threads and locks of the process that was forked; called in the new one."""
        raise NotImplementedError


def _forget_all() -> None:
    for item in list(_made):
        item.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


class WaitingThreads(ForkedAnew):
    """Threads for calls that an event loop waits for; a forked process starts threads of its own.

    Args:
        most: Largest number of calls that run at once; further calls queue.
        name: Prefix of the threads' names.
    """

    def __init__(self, most: int, name: str) -> None:
        super().__init__()
        self._most = most
        self._name = name
        self.forget()

    def forget(self) -> None:
        """Take a new pool, whose threads start when they are needed."""
        self._pool = ThreadPoolExecutor(self._most, self._name)

    def close(self) -> None:
        """Start no further call; those under way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call in a thread, with this task's context variables, and return its result."""
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: context.run(call))


MOST_AT_ONCE = 64
"""Largest number of calls that wait in threads at once; further calls queue."""
_THREADS = WaitingThreads(MOST_AT_ONCE, "mmad-rag-model")


async def in_thread(call: Callable[[], T]) -> T:
    """Run a call in a thread and return its result.

    Calls to models mostly wait for a network. The pool of `asyncio.to_thread` is meant for computation and
    has four threads more than the machine has cores: too few for waiting, and look-ups run in it.
    """
    return await _THREADS.run(call)


class BackgroundLoop(ForkedAnew):
    """Runs coroutines of any caller on one background loop; a forked process starts one of its own.

    An asynchronous client keeps its connections for the loop that opened them, and `asyncio.run` closes its
    loop each time; a client that this library did not make would try to use a closed loop.
    """

    def __init__(self) -> None:
        super().__init__()
        self.forget()

    def forget(self) -> None:
        """Forget the loop, whose thread is in another process."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Await `call()` on the background loop, with this task's context variables.

        Cancelling this task cancels the call.

        Raises:
            Exception: the exception that the coroutine raises.
        """
        context = contextvars.copy_context()  # tracing stores its position in context variables

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
"""The background loop of the process; its thread starts with the first call."""
