"""How many questions are under way when an endpoint complains, by hand and against a loopback server."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from mmad_rag.errors import ModelRetryError
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.models.openai.retry import Patience
from mmad_rag.models.openai.throttle import Throttle
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import Reply
from tests.support.servers.openai_asking import KEY, Naps, prompt
from tests.support.servers.openai_server import Behaviour, OpenAIServer, Request, fails, replies


async def hold(throttle: Throttle, number: int) -> list[asyncio.Task[None]]:
    """So many requests that ask for a turn and keep it until they are cancelled."""

    async def request() -> None:
        async with throttle.turn():
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(request()) for _ in range(number)]
    await settle()
    return tasks


async def settle() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def limit_of(throttle: Throttle) -> float | None:
    """By a function, because a type checker takes an attribute for what it was when last looked at."""
    return throttle.limit


def make(naps: Naps | None = None) -> Throttle:
    naps = naps if naps is not None else Naps()
    return Throttle(naps.clock, naps.sleep)


def test_a_complaint_halves_what_was_under_way_and_answers_bring_it_back() -> None:
    """Worked by hand: 8 under way -> 4; +1/4 an answer until the old 8 are reached."""

    async def go() -> None:
        throttle = make()
        tasks = await hold(throttle, 8)
        sent = 0
        throttle.complained(sent, None)
        assert limit_of(throttle) == 4.0
        for _ in range(7):
            throttle.complained(sent, None)
        assert limit_of(throttle) == 4.0, "the other seven of the same wave say nothing new"
        throttle.answered(sent)
        assert limit_of(throttle) == 4.0, "nor does an answer to a request sent before the cut"
        sent = 1
        throttle.answered(sent)
        assert limit_of(throttle) == 4.25
        throttle.complained(sent, None)
        assert limit_of(throttle) == 2.125
        answers = 0
        while limit_of(throttle) is not None and answers <= 30:
            throttle.answered(2)
            answers += 1
        assert answers == 30, "2.125 + 1/2.125 + ... reaches 8"
        await end(tasks)

    asyncio.run(go())


def test_the_limit_is_never_below_one() -> None:
    async def go() -> None:
        throttle = make()
        tasks = await hold(throttle, 1)
        for sent in range(5):
            throttle.complained(sent, None)
            assert limit_of(throttle) == 1.0
        await end(tasks)

    asyncio.run(go())


def test_no_more_than_the_limit_begin_and_one_that_ends_makes_room() -> None:
    async def go() -> None:
        throttle = make()
        tasks = await hold(throttle, 4)
        throttle.complained(0, None)
        begun: list[int] = []

        async def request(number: int) -> None:
            async with throttle.turn():
                begun.append(number)
                await asyncio.Event().wait()

        waiting = [asyncio.create_task(request(number)) for number in range(3)]
        await settle()
        assert begun == [], "four hold a turn where two are allowed"
        await end(tasks[:2])
        await settle()
        assert begun == []
        await end(tasks[2:3])
        await settle()
        assert begun == [0]
        waiting[1].cancel()
        await end(tasks[3:])
        await settle()
        assert begun == [0, 2], "who gave up waiting takes no turn"
        await end(waiting)
        assert throttle._inside == 0

    asyncio.run(go())


def test_while_the_endpoint_asks_for_a_pause_nobody_begins() -> None:
    async def go() -> None:
        naps = Naps()
        throttle = make(naps)
        throttle.complained(0, 7.0)
        throttle.complained(1, 3.0)
        async with throttle.turn():
            await throttle.pause()
            assert naps.slept == [7.0], "the longer of two wishes"
            await throttle.pause()
            assert naps.slept == [7.0]

    asyncio.run(go())


# The model


class Crowded:
    """A server that turns away whoever finds `room` others inside."""

    def __init__(self, room: int, status: int = 429, takes_s: float = 0.01) -> None:
        self.room = room
        self.status = status
        self.takes_s = takes_s
        self.most = 0
        self.refused = 0
        self._inside = 0
        self._lock = threading.Lock()

    def __call__(self, _request: Request) -> Behaviour:
        with self._lock:
            if self._inside >= self.room:
                self.refused += 1
                return fails(self.status, "too many requests")
            self._inside += 1
            self.most = max(self.most, self._inside)
        time.sleep(self.takes_s)
        with self._lock:
            self._inside -= 1
        return replies("A")


def ask_many(server: OpenAIServer, number: int, *, at_once: int = 16) -> list[Reply]:
    """Ask so many questions, so many at a time, with pauses that a test can wait for."""
    patience = Patience(attempts=40, base_s=0.005, ceiling_s=0.02)
    model = OpenAIModel("m", ModelOptions(base_url=server.url, api_key=KEY), patience=patience)
    todo = iter(range(number))

    async def caller() -> list[Reply]:
        return [await model.answer(prompt()) for _ in todo]

    async def callers() -> list[list[Reply]]:
        return await asyncio.gather(*(caller() for _ in range(at_once)))

    return [reply for replied in asyncio.run(callers()) for reply in replied]


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.slow
def test_a_crowded_endpoint_answers_everything_in_the_end(openai_server: OpenAIServer, status: int) -> None:
    crowded = Crowded(room=3, status=status)
    openai_server.default = crowded
    assert [reply.text for reply in ask_many(openai_server, 60)] == ["A"] * 60
    assert crowded.most == 3
    assert crowded.refused > 0


@pytest.mark.slow
def test_backing_off_saves_refusals(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same questions with the complaints unheard: more are turned away, mostly 3 to 6 times."""
    counts = []
    for deaf in (False, True):
        if deaf:
            monkeypatch.setattr(Throttle, "complained", lambda *_anything: None)
        openai_server.default = crowded = Crowded(room=2, takes_s=0.05)
        ask_many(openai_server, 50)
        counts.append(crowded.refused)
    assert counts[1] > counts[0]


def test_a_wish_longer_than_a_questions_time_fails_that_question_and_holds_up_no_other(
    openai_server: OpenAIServer,
) -> None:
    """Of a daily quota the user should hear now, not after a silent day."""
    naps = Naps()
    options = ModelOptions(base_url=openai_server.url, api_key=KEY, deadline_s=60.0)
    model = OpenAIModel("m", options, patience=naps.patience())
    openai_server.script(fails(429, retry_after="86400"))
    with pytest.raises(ModelRetryError, match="it asks to wait 86400 s"):
        asyncio.run(model.answer(prompt()))

    async def two() -> tuple[Reply, Reply]:
        openai_server.script(fails(429, retry_after="5"))
        return await model.answer(prompt()), await model.answer(prompt())

    assert [reply.text for reply in asyncio.run(two())] == ["A", "A"]
    assert naps.slept == [5.5], "the question's own pause; by then the endpoint's wish is over"


@pytest.mark.slow
def test_an_endpoint_that_is_only_slow_to_allow_loses_no_question(openai_server: OpenAIServer) -> None:
    """Forty refusals in a row, far more than other failures are worth; the deadline alone is the end."""
    naps = Naps()
    options = ModelOptions(base_url=openai_server.url, api_key=KEY, deadline_s=1000.0)
    model = OpenAIModel("m", options, patience=naps.patience())
    openai_server.script(*[fails(429)] * 40, replies("B"))
    assert asyncio.run(model.answer(prompt())).text == "B"
    openai_server.default = fails(529)
    with pytest.raises(ModelRetryError, match="no further attempt fits into the 1000 s of one question"):
        asyncio.run(model.answer(prompt()))


def test_waiting_for_a_turn_is_neither_latency_nor_part_of_a_questions_time(
    openai_server: OpenAIServer,
) -> None:
    """One at a time: their latencies do not overlap, and waiting for turns would count each 4.5 times."""
    openai_server.default = Crowded(room=1, takes_s=0.1)
    start = time.monotonic()
    latencies = [reply.latency_s for reply in ask_many(openai_server, 8, at_once=8)]
    assert sum(latencies) < 3 * (time.monotonic() - start)
