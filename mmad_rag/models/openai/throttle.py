"""How many requests an endpoint takes at a time, learned from what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Throttle:
    """Lets all requests through until the endpoint complains, then fewer, and more again as it answers.

    Additive increase, multiplicative decrease (D.-M. Chiu and R. Jain, Analysis of the Increase and Decrease
    Algorithms for Congestion Avoidance, 1989), as TCP does it: a complaint halves what may be under way;
    complaints about requests sent before that cut do not cut again; as many answers as are allowed at a
    time allow one more; where that reaches what was under way at most, the limit is gone. While an endpoint
    asks for a pause, no request is sent. One object belongs to one event loop.

    Args:
        clock: Seconds since any fixed moment.
        sleep: Waits so many seconds.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self.limit: float | None = None
        """Requests that may be under way, at least 1; None where the endpoint has not complained."""
        self._clock = clock
        self._sleep = sleep
        self._inside = 0
        self._most = 0
        self._resume_at = 0.0
        self._cuts = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Wait for room, and keep it while the block lasts; yields what to say when the answer is there."""
        async with self._freed:
            await self._freed.wait_for(self._has_room)
            self._inside += 1
            self._most = max(self._most, self._inside)
        try:
            yield self._cuts
        finally:
            async with self._freed:
                self._inside -= 1
                self._freed.notify_all()

    async def pause(self) -> None:
        """Sit out what the endpoint asked for; to be called within a turn, before the request."""
        while (left := self._resume_at - self._clock()) > 0:
            await self._sleep(left)

    def complained(self, sent: int, pause_s: float | None) -> None:
        """The endpoint asks for fewer requests.

        Args:
            sent: What its turn yielded.
            pause_s: For how long nobody should ask; None where it does not say.
        """
        if pause_s is not None:
            self._resume_at = max(self._resume_at, self._clock() + pause_s)
        if sent == self._cuts:
            self._cuts += 1
            before = self._inside if self.limit is None else min(self.limit, self._inside)
            self.limit = max(1.0, before / 2)

    def answered(self, sent: int) -> None:
        """The endpoint gave an answer; `sent` is what its turn yielded."""
        if self.limit is None or sent != self._cuts:
            return
        self.limit += 1 / self.limit
        if self.limit >= self._most:
            self.limit = None

    def _has_room(self) -> bool:
        return self.limit is None or self._inside < int(self.limit)
