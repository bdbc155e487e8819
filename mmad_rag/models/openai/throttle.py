"""Limit the requests in flight by an endpoint's reports of overload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


class Throttle:
    """Lets all requests through until the endpoint reports overload, then fewer, and more as it answers.

    The limit follows additive increase, multiplicative decrease (D.-M. Chiu and R. Jain, Analysis of the
    Increase and Decrease Algorithms for Congestion Avoidance, 1989), as in TCP. A report of overload halves
    the limit; reports on requests sent before that do not halve it again. After as many answers as the limit
    allows requests, the limit rises by one; when it reaches the largest number that was ever in flight, it is
    lifted. While an endpoint asks for a pause, no request is sent. One object belongs to one event loop.

    Args:
        clock: Returns seconds since an arbitrary start.
        sleep: Waits the given number of seconds.
    """

    def __init__(self, clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]) -> None:
        self.limit: float | None = None
        """Largest number of requests in flight, at least 1; None without a limit."""
        self._clock = clock
        self._sleep = sleep
        self._inside = 0
        self._most = 0
        self._resume_at = 0.0
        self._cuts = 0
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[int]:
        """Wait for a turn and keep it during the block; yields a number to report the result with."""
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
        """Wait out the pause that the endpoint asked for; call it within a turn, before the request."""
        while (left := self._resume_at - self._clock()) > 0:
            await self._sleep(left)

    def complained(self, sent: int, pause_s: float | None) -> None:
        """Record that the endpoint asks for fewer requests.

        Args:
            sent: The number that the request's turn yielded.
            pause_s: Seconds during which no request should be sent; None if the endpoint does not say.
        """
        if pause_s is not None:
            self._resume_at = max(self._resume_at, self._clock() + pause_s)
        if sent == self._cuts:
            self._cuts += 1
            before = self._inside if self.limit is None else min(self.limit, self._inside)
            self.limit = max(1.0, before / 2)

    def answered(self, sent: int) -> None:
        """Record an answer of the endpoint; `sent` is the number that the request's turn yielded."""
        if self.limit is None or sent != self._cuts:
            return
        self.limit += 1 / self.limit
        if self.limit >= self._most:
            self.limit = None

    def _has_room(self) -> bool:
        return self.limit is None or self._inside < int(self.limit)
