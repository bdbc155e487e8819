"""Asking again: what is waited, how often, and when it ends."""

from __future__ import annotations

import asyncio
import dataclasses
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.errors import ModelActionError, ModelRetryError
from mmad_rag.models.openai.retry import Failure, Patience, persist, retry_after_s

PASSING = Failure("the server is busy", "ask again later", stops_run=False, attempts=4)


class Time:
    """A clock that moves when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now

    def patience(self, *, draw: float = 1.0, attempts: int = 6) -> Patience:
        return Patience(attempts=attempts, sleep=self.sleep, clock=self.clock, draw=lambda: draw)


class Attempts:
    """Gives its results in order, the last one for ever; each takes `takes_s` seconds."""

    def __init__(self, time: Time, *results: str | Failure, takes_s: float = 0.0) -> None:
        self.limits: list[float] = []
        self._time = time
        self._results = results
        self._takes_s = takes_s

    async def __call__(self, limit_s: float) -> str | Failure:
        self.limits.append(limit_s)
        self._time.now += self._takes_s
        return self._results[min(len(self.limits), len(self._results)) - 1]


def run(attempts: Attempts, patience: Patience, *, timeout_s: float = 10.0, deadline_s: float = 100.0) -> str:
    return asyncio.run(persist(attempts, timeout_s=timeout_s, deadline_s=deadline_s, patience=patience))


def test_a_success_is_returned_at_once() -> None:
    time = Time()
    attempts = Attempts(time, "done")
    assert run(attempts, time.patience()) == "done"
    assert (attempts.limits, time.slept) == ([10.0], [])


def test_a_failure_that_passes_is_asked_again() -> None:
    time = Time()
    attempts = Attempts(time, PASSING, PASSING, "done")
    assert run(attempts, time.patience()) == "done"
    assert time.slept == [1.0, 2.0]


def test_the_longest_pauses_double_up_to_the_ceiling() -> None:
    patience = Patience(base_s=1.0, ceiling_s=30.0, draw=lambda: 1.0)
    assert [patience.pause_s(n, None) for n in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_anywhere_between_nothing_and_the_longest(attempt: int, draw: float) -> None:
    longest = min(30.0, 2.0 ** (attempt - 1))
    assert Patience(draw=lambda: draw).pause_s(attempt, None) == pytest.approx(draw * longest)


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True), st.floats(0, 1e6))
def test_a_server_s_wish_is_the_least_that_is_waited(attempt: int, draw: float, wish: float) -> None:
    assert wish <= Patience(draw=lambda: draw).pause_s(attempt, wish) <= wish + 1.0


def test_patience_ends_after_the_failure_s_own_number_of_attempts() -> None:
    time = Time()
    attempts = Attempts(time, PASSING)
    with pytest.raises(ModelRetryError) as caught:
        run(attempts, time.patience(draw=0.0))
    assert str(caught.value) == "the server is busy, after 4 attempts in 0 s; ask again later"
    assert len(attempts.limits) == 4


def test_a_failure_that_does_not_pass_is_raised_at_once() -> None:
    time = Time()
    attempts = Attempts(time, Failure("the key is wrong", "check it", stops_run=True))
    with pytest.raises(ModelActionError) as caught:
        run(attempts, time.patience())
    assert str(caught.value) == "the key is wrong; check it"
    assert time.slept == []


def test_the_deadline_is_never_slept_through() -> None:
    time = Time()
    attempts = Attempts(time, dataclasses.replace(PASSING, retry_after_s=90.0))
    with pytest.raises(ModelRetryError) as caught:
        run(attempts, time.patience(draw=0.0), deadline_s=60.0)
    assert str(caught.value) == (
        "the server is busy; it asks to wait 90 s, and no further attempt fits into the 60 s "
        "of one question; ask again later"
    )
    assert (time.slept, len(attempts.limits)) == ([], 1)


def test_the_last_attempt_gets_what_is_left_of_the_deadline() -> None:
    time = Time()
    attempts = Attempts(time, PASSING, takes_s=9.5)
    with pytest.raises(
        ModelRetryError, match="after 2 attempts in 20 s; no further attempt fits into the 20 s"
    ):
        run(attempts, time.patience(), deadline_s=20.0)
    assert attempts.limits == [10.0, 9.5], "20 - 9.5 - 1 = 9.5 s are left for the second"
    attempts = Attempts(Time(), "done")
    assert run(attempts, time.patience(), deadline_s=3.0) == "done"
    assert attempts.limits == [3.0]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:02:00"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 0.0),
        ({"retry-after": "Thu, 01 Jan 99999999999999999999 00:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers, now=100.0) == seconds


@given(st.integers(0, 4_000_000_000), st.floats(0, 4e9))
def test_every_http_date_is_understood(date: int, now: float) -> None:
    headers = {"retry-after": formatdate(date, usegmt=True)}
    assert retry_after_s(headers, now) == pytest.approx(max(0.0, date - now))


@given(st.text())
def test_no_header_value_breaks_the_reading(text: str) -> None:
    wish = retry_after_s({"retry-after": text}, now=0.0)
    assert wish is None or wish >= 0
