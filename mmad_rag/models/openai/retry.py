"""Retry requests after temporary failures."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeVar

from mmad_rag.errors import ModelActionError, ModelError, ModelRetryError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often, and after which pauses, a question is asked again.

    The pause after failed attempt n is random, up to `min(ceiling_s, base_s * 2 ** (n - 1))` seconds:
    exponential back-off with full jitter (M. Brooker, Exponential Backoff And Jitter, AWS Architecture
    Blog, 2015).
    """

    attempts: int = 6
    """Largest number of requests for one question, at least 1."""
    connect_attempts: int = 3
    """Largest number of requests for one question if no connection can be made, small to report a wrong
    address soon."""
    connect_s: float = 10.0
    """Time limit for making a connection in seconds, above 0."""
    base_s: float = 1.0
    """Longest first pause in seconds."""
    ceiling_s: float = 30.0
    """Longest pause in seconds, unless the server asks for a longer one."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits some seconds; tests replace it by a faster one, and the three fields below too."""
    clock: Callable[[], float] = time.monotonic
    """Seconds since an arbitrary start."""
    wall: Callable[[], float] = time.time
    """Seconds since 1970, for a Retry-After that is a date."""
    draw: Callable[[], float] = random.random
    """A random number in [0, 1)."""

    def pause_s(self, attempt: int, retry_after_s: float | None) -> float:
        """Seconds to wait after the failed attempt of the given number, counted from 1.

        The time that the server asks for is the minimum; a random part is added, so that questions that
        failed together are not all repeated together.
        """
        if retry_after_s is not None:
            return retry_after_s + self.draw() * self.base_s
        return self.draw() * min(self.ceiling_s, self.base_s * 2.0 ** (attempt - 1))


@dataclass(frozen=True, slots=True)
class Failure:
    """The reason why one attempt gave no reply."""

    happened: str
    """What happened, and where."""
    advice: str
    """What to do about it."""
    stops_run: bool
    """Whether every other question would fail in the same way until the user acts."""
    attempts: int = 1
    """Largest number of requests for a question with this failure; 1 means no retry."""
    retry_after_s: float | None = None
    """Seconds, at least 0, that the server asks to wait; None if it does not say."""
    refused: bool = False
    """Whether the server refused the question itself."""
    overload: bool = False
    """Whether the server asks for fewer requests."""

    def error(self, note: str = "") -> ModelError:
        """The error to raise: `happened`, `note` and `advice` in one message."""
        kind = ModelActionError if self.stops_run else ModelRetryError
        return kind(f"{self.happened}{note}; {self.advice}")


async def persist(
    attempt: Callable[[float], Awaitable[T | Failure]],
    *,
    timeout_s: float,
    deadline_s: float,
    patience: Patience,
    error_of: Callable[[Failure, str], ModelError] = Failure.error,
) -> T:
    """Call `attempt` with its time limit in seconds until it succeeds, patience ends, or `deadline_s` passes.

    If a pause would end after the deadline, the question fails at once instead. `error_of` makes the error
    from the last failure and a note on the attempts.

    Raises:
        ModelActionError: the last failure stops the run.
        ModelRetryError: the last failure concerns this question only or is temporary.
    """
    start = patience.clock()
    number = 0
    while True:
        number += 1
        left = deadline_s - (patience.clock() - start)
        result = await attempt(min(timeout_s, left))
        if not isinstance(result, Failure):
            return result
        spent = patience.clock() - start
        pause = patience.pause_s(number, result.retry_after_s)
        if number >= result.attempts or spent + pause >= deadline_s:
            raise error_of(result, _note(number, spent, deadline_s, result))
        await patience.sleep(pause)


def retry_after_s(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a server asks to wait, at least 0; None if it does not say or the value is malformed.

    `retry-after-ms` takes precedence over `retry-after`, which holds seconds or a date.

    Args:
        headers: Headers of the response; the mapping decides on the case of names.
        now: Present time in seconds since 1970.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000.0
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - now)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None


def _note(number: int, spent: float, deadline_s: float, failure: Failure) -> str:
    """A note on the number and duration of several attempts, and on why they ended early."""
    tried = f", after {number} attempts in {spent:.0f} s" if number > 1 else ""
    if number >= failure.attempts:
        return tried
    wish = f" it asks to wait {failure.retry_after_s:.0f} s, and" if failure.retry_after_s else ""
    return f"{tried};{wish} no further attempt fits into the {deadline_s:g} s of one question"
