"""Run a coroutine from synchronous code."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


_GLANCE_S = 0.2
"""Seconds between two glances at whether the caller's task was cancelled."""
_PATIENCE_S = 2.5
"""Seconds to wait, after an interrupt, until what was under way has ended."""


def run_sync(work: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine and return its result, in a separate thread if an event loop is running here.

    An interrupt (Ctrl-C, or a notebook's stop button) cancels the coroutine, waits until it has ended, and is
    raised here.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    return _Beside(work).result()


class _Beside(Generic[_T]):
    """A coroutine that runs in a thread beside the caller's event loop."""

    def __init__(self, work: Coroutine[Any, Any, _T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._stopped = False
        self._ended = threading.Event()
        self._results: list[_T] = []
        self._errors: list[BaseException] = []

    def result(self) -> _T:
        """Run the coroutine to its end, unless this thread is interrupted."""
        caller = asyncio.current_task()
        before = 0 if caller is None else caller.cancelling()
        try:
            threading.Thread(target=self._run, name="mmad-rag-ask", daemon=True).start()
            # an event is awaited, as before Python 3.13 no thread can be joined again after an interrupt
            while not self._ended.wait(_GLANCE_S):
                # `asyncio.run` answers Ctrl-C by cancelling its task, which is blocked here
                if caller is not None and caller.cancelling() > before:
                    raise KeyboardInterrupt
        except BaseException:
            self._cancel()
            self._ended.wait(_PATIENCE_S)
            raise
        if self._errors:
            raise self._errors[0]
        return self._results[0]

    def _run(self) -> None:
        try:
            self._results.append(asyncio.run(self._started()))
        except BaseException as error:
            self._errors.append(error)
        finally:
            self._ended.set()

    async def _started(self) -> _T:
        with self._lock:
            self._task = asyncio.current_task()
            stopped = self._stopped
        if stopped:
            self._work.close()
            raise asyncio.CancelledError
        return await self._work

    def _cancel(self) -> None:
        with self._lock:
            self._stopped = True
            task = self._task
        if task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                task.get_loop().call_soon_threadsafe(task.cancel)
