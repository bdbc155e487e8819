"""Gather concurrent calls into batches that one thread processes."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mmad_rag.models.event_loops import ForkedAnew

Asked = TypeVar("Asked")
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True, eq=False)
class _Call(Generic[Asked, Given]):
    """One waiting call."""

    item: Asked
    """The item to process."""
    group: Hashable
    """Group of the call; only calls of one group share a batch."""
    size: int
    """Largest size of a batch with this call."""
    future: Future[Given] = field(default_factory=Future)
    """The result that the caller waits for."""


class Batches(ForkedAnew, Generic[Asked, Given]):
    """Passes calls from any threads and event loops to `work` in batches, in one thread.

    After the first call of a batch the thread waits `gather_s` for others of its group. It ends when there
    was no call for `linger_s`, so that the objects that `work` holds can be freed.

    Args:
        work: Takes the items of a batch in the order of asking; returns a value or an exception for each.
        gather_s: Time to gather a batch in seconds, at least 0.
        linger_s: Time until an idle thread ends in seconds, above 0.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Sequence[Given | Exception]],
        *,
        gather_s: float = 0.01,
        linger_s: float = 5.0,
    ) -> None:
        super().__init__()
        self._work = work
        self._gather_s = gather_s
        self._linger_s = linger_s
        self.forget()

    def forget(self) -> None:
        """Forget the thread and what it had to do, which stay with the process that was forked."""
        self._calls: queue.Queue[_Call[Asked, Given]] = queue.Queue()
        self._held: list[_Call[Asked, Given]] = []  # taken from the queue, but not yet processed
        self._lock = threading.Lock()
        self._running = False

    async def ask(self, item: Asked, *, group: Hashable, size: int) -> Given:
        """Wait for this item's result without blocking the event loop.

        Raises:
            Exception: the exception that `work` returned for this item, or raised.
        """
        call: _Call[Asked, Given] = _Call(item, group, size)
        with self._lock:
            self._calls.put(call)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="mmad-rag-batches", daemon=True).start()
        return await asyncio.wrap_future(call.future)

    def _run(self) -> None:
        while batch := self._next():
            wanted = [call for call in batch if call.future.set_running_or_notify_cancel()]
            if wanted:
                self._settle(wanted)

    def _settle(self, wanted: Sequence[_Call[Asked, Given]]) -> None:
        try:
            given = self._work([call.item for call in wanted])
        except Exception as error:  # passed to every caller of the batch
            given = [error] * len(wanted)
        for call, value in zip(wanted, given, strict=True):
            if isinstance(value, Exception):
                call.future.set_exception(value)
            else:
                call.future.set_result(value)

    def _next(self) -> list[_Call[Asked, Given]]:
        """The calls of the next batch, the longest waiting first; none when the thread should end."""
        if not self._held and not self._receive(self._linger_s):
            with self._lock:
                if self._calls.empty():
                    self._running = False
                    return []
        deadline = time.monotonic() + self._gather_s
        while True:
            while self._receive(0.0):
                pass
            batch = self._alike()
            left = deadline - time.monotonic()
            if len(batch) >= batch[0].size or left <= 0.0 or not self._receive(left):
                break
        for call in batch:
            self._held.remove(call)
        return batch

    def _receive(self, wait_s: float) -> bool:
        """Take one call from the queue; False if there was none in time."""
        try:
            self._held.append(self._calls.get(timeout=wait_s) if wait_s > 0.0 else self._calls.get_nowait())
        except queue.Empty:
            return False
        return True

    def _alike(self) -> list[_Call[Asked, Given]]:
        """The first waiting call and the next ones of its group, up to the first one's size."""
        first = self._held[0]
        return [call for call in self._held if call.group == first.group][: first.size]
