"""One resource for each event loop that is running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar

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
