"""Count a server's events and times, and write them as Prometheus text."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Upper bounds of the histogram's buckets in seconds."""

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Media type of the exposition format."""


class Histogram:
    """Counts of times by upper bound."""

    def __init__(self) -> None:
        self._counts = [0] * (len(_BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, seconds: float) -> None:
        """Add one time."""
        self._counts[bisect_left(_BUCKETS, seconds)] += 1
        self._sum += seconds

    def lines(self, name: str) -> Iterator[str]:
        """The lines of the exposition format below the heading of a metric."""
        total = 0
        for end, count in zip((*map(str, _BUCKETS), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{end}"}} {total}'
        yield f"{name}_sum {self._sum:.6f}"
        yield f"{name}_count {total}"


class Metrics:
    """Counts and times since a server's start; safe to use from several threads.

    Labels hold only our own paths, statuses, outcomes and products of the catalogue, so that clients cannot
    create new ones.
    """

    def __init__(self) -> None:
        self.in_flight = 0
        self._requests: Counter[tuple[str, str]] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._products: Counter[str] = Counter()
        self._cache: Counter[str] = Counter({"hit": 0, "miss": 0})
        self._disconnects = 0
        self._lookup = Histogram()
        self._upstream = Histogram()
        self._lock = threading.Lock()

    def count_request(self, path: str, status: int) -> None:
        """Count a finished request; status 0 means that the client disconnected before there was one."""
        with self._lock:
            self._requests[path, str(status)] += 1

    def count_knowledge(self, outcome: str, products: tuple[str, ...], seconds: float) -> None:
        """Count a look-up of knowledge, with its outcome, products and time."""
        with self._lock:
            self._outcomes[outcome] += 1
            self._products.update(products)
            self._lookup.observe(seconds)

    def count_cache(self, *, hit: bool) -> None:
        """Count an image that was cached (`hit`) or had to be embedded."""
        with self._lock:
            self._cache["hit" if hit else "miss"] += 1

    def count_upstream(self, seconds: float) -> None:
        """Count an answer of the upstream that began after the given seconds."""
        with self._lock:
            self._upstream.observe(seconds)

    def count_disconnect(self) -> None:
        """Count a client that disconnected before its answer was complete."""
        with self._lock:
            self._disconnects += 1

    def text(self) -> str:
        """All metrics in the exposition format, version 0.0.4."""
        with self._lock:
            return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield from _head("requests_total", "counter", "Requests that have ended, by path and status.")
        for (path, status), count in sorted(self._requests.items()):
            yield f'mmad_rag_requests_total{{path="{path}",status="{status}"}} {count}'
        yield from _head("requests_in_flight", "gauge", "Requests that are being answered.")
        yield f"mmad_rag_requests_in_flight {self.in_flight}"
        yield from _labelled(
            "knowledge_total", "Requests by outcome of looking up knowledge.", "outcome", self._outcomes
        )
        yield from _labelled("products_total", "Products added.", "product", self._products)
        yield from _labelled(
            "picture_cache_total", "Images found in the cache or not.", "result", self._cache
        )
        yield from _head("client_disconnects_total", "counter", "Clients that hung up early.")
        yield f"mmad_rag_client_disconnects_total {self._disconnects}"
        yield from _head("lookup_seconds", "histogram", "Time to read a request and look up knowledge.")
        yield from self._lookup.lines("mmad_rag_lookup_seconds")
        yield from _head("upstream_seconds", "histogram", "Time until the upstream begins to answer.")
        yield from self._upstream.lines("mmad_rag_upstream_seconds")


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP mmad_rag_{name} {text}"
    yield f"# TYPE mmad_rag_{name} {kind}"


def _labelled(name: str, text: str, label: str, counts: Mapping[str, int]) -> Iterator[str]:
    yield from _head(name, "counter", text)
    for value, count in sorted(counts.items()):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        yield f'mmad_rag_{name}{{{label}="{escaped}"}} {count}'
