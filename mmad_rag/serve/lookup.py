"""Look up knowledge for a picture without holding up the event loop."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from mmad_rag.records import FloatArray, Knowledge, Route
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics
from mmad_rag.serve.pictures import data_url_bytes, open_limited

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Seen:
    """What is remembered of a picture."""

    vector: FloatArray
    """In the index's space, shape (d,), unit length."""
    digest: str
    """SHA-256 (hex) of its bytes."""
    route: Route
    """Which product it shows; the question has no part in that."""


class Lookup:
    """A retriever, asked in threads: some embed pictures, another selects passages.

    Two groups, because a picture that is known already should not wait behind one that is being embedded.
    A picture is remembered by the digest of what was sent, and then neither decoded nor routed again.

    Args:
        retriever: Whom to ask.
        limits: Threads, pictures kept, sizes.
        metrics: Where hits and misses are counted.
    """

    def __init__(self, retriever: ClipRetriever, limits: Limits, metrics: Metrics) -> None:
        self._retriever = retriever
        self._limits = limits
        self._metrics = metrics
        self._eyes = ThreadPoolExecutor(limits.lookups, "mmad-rag-embed")
        self._hands = ThreadPoolExecutor(1, "mmad-rag-select")  # a retriever selects one at a time
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._lock = threading.Lock()

    async def find(self, source: str | bytes, question: str) -> Knowledge:
        """What is known about the picture in a `data:` URL or in bytes.

        Raises:
            RefusalError: 400 no whole picture, 413 too large.
        """
        found = await _in(self._hands, lambda: self._find_remembered(source, question))
        self._metrics.count_cache(hit=found is not None)
        if found is not None:
            return found
        seen = await _in(self._eyes, lambda: self._look(source))
        return await _in(self._hands, lambda: self._select(seen, question))

    def close(self) -> None:
        """Let the threads end; nothing can be found any more."""
        self._eyes.shutdown(wait=False, cancel_futures=True)
        self._hands.shutdown(wait=False, cancel_futures=True)

    def _find_remembered(self, source: str | bytes, question: str) -> Knowledge | None:
        key = _key(source)
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None:
                self._seen.move_to_end(key)
        return None if seen is None else self._select(seen, question)

    def _look(self, source: str | bytes) -> _Seen:
        data = source if isinstance(source, bytes) else data_url_bytes(source, self._limits)
        picture = open_limited(data, self._limits)
        vector = self._retriever.vector(picture)
        seen = _Seen(vector, picture.digest, self._retriever.route_vector(vector, (picture.digest,)))
        with self._lock:
            self._seen[_key(source)] = seen
            if len(self._seen) > self._limits.pictures_kept:
                self._seen.popitem(last=False)
        return seen

    def _select(self, seen: _Seen, question: str) -> Knowledge:
        return self._retriever.retrieve_routed(question, seen.route, seen.vector, (seen.digest,))


def _key(source: str | bytes) -> str:
    data = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()


async def _in(pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)
