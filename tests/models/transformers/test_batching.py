"""Calls from any loop and thread, gathered into batches for one thread."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmad_rag.models.event_loops import BACKGROUND
from mmad_rag.models.transformers.batching import Batches
from tests.support.waiting import wait_for, wait_for_async


class Doubler:
    """Gives twice the number, an error for 13; remembers its batches and threads."""

    def __init__(self, *, wait: threading.Event | None = None) -> None:
        self.seen: list[list[int]] = []
        self.threads: set[int] = set()
        self._wait = wait

    def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.seen.append(list(items))
        self.threads.add(threading.get_ident())
        if self._wait is not None:
            assert self._wait.wait(60)
        if 99 in items:
            raise OSError("all of it")
        return [ValueError("unlucky") if item == 13 else 2 * item for item in items]


async def ask_all(batches: Batches[int, int], items: Sequence[int], size: int) -> list[int | BaseException]:
    """Odd and even numbers are of two groups."""
    calls = (batches.ask(item, group=item % 2, size=size) for item in items)
    return await asyncio.gather(*calls, return_exceptions=True)


def test_calls_of_a_group_go_together_up_to_the_size_in_the_order_of_asking() -> None:
    work = Doubler()
    batches = Batches(work, gather_s=0.5)
    assert asyncio.run(ask_all(batches, [1, 2, 3, 5, 4, 7], 3)) == [2, 4, 6, 10, 8, 14]
    assert work.seen == [[1, 3, 5], [2, 4], [7]]
    assert len(work.threads) == 1


def test_a_single_call_is_not_held_longer_than_the_gathering_takes() -> None:
    batches = Batches(Doubler(), gather_s=0.01)
    assert asyncio.run(ask_all(batches, [4], 8)) == [8]  # not one of eight that never come


def test_an_error_goes_to_the_call_that_it_belongs_to() -> None:
    found = asyncio.run(ask_all(Batches(Doubler()), [1, 13, 5], 8))
    assert found[0] == 2
    assert found[2] == 10
    assert isinstance(found[1], ValueError)


def test_work_that_raises_fails_its_batch_and_not_the_next() -> None:
    batches = Batches(Doubler())
    found = asyncio.run(ask_all(batches, [1, 99], 8))
    assert [str(one) for one in found] == ["all of it", "all of it"]
    assert asyncio.run(ask_all(batches, [1], 8)) == [2]


def test_the_event_loop_goes_on_while_the_thread_works() -> None:
    release = threading.Event()
    batches = Batches(Doubler(wait=release))

    async def tick_then_release() -> int:
        for _ in range(3):
            await asyncio.sleep(0)
        release.set()
        return 7

    async def both() -> tuple[int, int]:
        return await asyncio.gather(batches.ask(4, group=0, size=1), tick_then_release())

    assert list(asyncio.run(both())) == [8, 7]


def test_a_call_that_is_cancelled_before_its_turn_is_not_worked_off() -> None:
    release = threading.Event()
    work = Doubler(wait=release)
    batches = Batches(work, gather_s=0.0)

    async def scenario() -> int:
        first = asyncio.create_task(batches.ask(2, group=0, size=1))
        await wait_for_async(lambda: work.seen, "the first call is worked on")
        second = asyncio.create_task(batches.ask(4, group=0, size=1))
        third = asyncio.create_task(batches.ask(6, group=0, size=1))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        release.set()
        assert await first == 4
        return await third

    assert asyncio.run(scenario()) == 12
    assert work.seen == [[2], [6]]


def test_loops_in_several_threads_share_one_worker() -> None:
    work = Doubler()
    batches = Batches(work, gather_s=0.05)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda item: asyncio.run(ask_all(batches, [item], 8))[0], [2, 4, 6, 8]))
    assert found == [4, 8, 12, 16]
    assert len(work.threads) == 1


def threads_of(work: Doubler) -> list[threading.Thread]:
    """Those that have worked on it and have not ended."""
    return [
        one for one in threading.enumerate() if one.name == "mmad-rag-batches" and one.ident in work.threads
    ]


def test_the_thread_ends_when_nothing_is_asked_and_lets_go_of_everything() -> None:
    work = Doubler()
    batches = Batches(work, linger_s=0.05)
    assert asyncio.run(ask_all(batches, [1], 1)) == [2]
    wait_for(lambda: not threads_of(work), "the thread has ended")
    assert asyncio.run(ask_all(batches, [3], 1)) == [6], "it starts again"
    held = weakref.ref(batches)
    del batches

    def gone() -> bool:
        gc.collect()
        return held() is None

    wait_for(gone, "the batches are let go of")


def test_the_background_loop_is_one_loop_for_all_callers() -> None:
    async def running() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def own_and_other() -> tuple[asyncio.AbstractEventLoop, asyncio.AbstractEventLoop]:
        return asyncio.get_running_loop(), await BACKGROUND.run(running)

    (first, there), (second, again) = asyncio.run(own_and_other()), asyncio.run(own_and_other())
    assert there is again
    assert there not in (first, second)


def test_cancelling_a_call_on_the_background_loop_cancels_it_there() -> None:
    ended = threading.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.set()
            raise

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await BACKGROUND.run(long)

    asyncio.run(scenario())
    assert ended.wait(60)
