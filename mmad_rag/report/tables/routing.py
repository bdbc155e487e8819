"""A measurement of retrieval as tables."""

from __future__ import annotations

from collections.abc import Iterator

from mmad_rag.report.tables.numbers import NOTHING, decimal, fraction, share
from mmad_rag.report.tables.routing_products import (
    confused_table,
    defects_table,
    fewer_references_table,
    leave_product_out_table,
    named_instead_table,
    products_table,
)
from mmad_rag.report.tables.table import Table, plain_table
from mmad_rag.retrieval_eval.calibration import Calibration
from mmad_rag.retrieval_eval.confusion import OUTSIDE
from mmad_rag.retrieval_eval.figures import Figures, RoutingMethod
from mmad_rag.retrieval_eval.result import RetrievalResult


def retrieval_tables(result: RetrievalResult) -> Iterator[Table]:
    """Every table that has something to say, in reading order, each at most eighty columns wide."""
    yield _ranking(result)
    yield _outcomes(result)
    if result.outside:
        yield _outside(result)
    yield _calibration(result)
    yield from (_reliability(found) for found in result.calibration)
    yield products_table(result)
    if any(pair.named != OUTSIDE for pair in result.confused):
        yield confused_table(result)
    yield _latency(result)
    if result.leave_product_out:
        yield leave_product_out_table(result)
        if result.leave_product_out[-1].named:
            yield named_instead_table(result)
    if result.fewer_references:
        yield fewer_references_table(result)
    if result.defects:
        yield defects_table(result)


def retrieval_notes(result: RetrievalResult) -> Iterator[str]:
    """What was measured on, what was left out, and how to read the tables."""
    yield (
        f"{result.known} images of products of the index and {result.outside} of other things, "
        f"under {len(result.changes)} change(s); encoder {result.encoder}"
    )
    for item in result.left_out:
        more = ", ..." if item.count > len(item.examples) else ""
        yield f"left out {item.count}: {item.reason.value} ({', '.join(item.examples)}{more})"
    shared = "; one image under several changes counts several times" if len(result.changes) > 1 else ""
    yield f"(in brackets: Wilson's 95 % interval, in percent{shared})"


def _ranking(result: RetrievalResult) -> Table:
    rows: list[tuple[str, ...]] = []
    for change, route, nearest in _pairs(result):
        rows.append(
            (
                change,
                str(route.known),
                share(route.top1),
                share(nearest.top1 if nearest else None),
                share(route.top3),
                share(nearest.top3 if nearest else None),
            )
        )
    return plain_table(
        "Known images: percent ranked first, and in the first three",
        rows,
        "change",
        "n",
        "top-1 route",
        "nearest",
        "top-3 route",
        "nearest",
    )


def _outcomes(result: RetrievalResult) -> Table:
    rows: list[tuple[str, ...]] = []
    for change, route, nearest in _pairs(result):
        counted = (route.right, route.near_tie, route.wrong, route.called_unknown)
        floor = (nearest.right, nearest.wrong, nearest.called_unknown) if nearest else (None,) * 3
        cells = [NOTHING if item is None else str(item.count) for item in (*counted, *floor)]
        rows.append((change, str(route.known), *cells))
    return plain_table(
        "Known images: what was concluded (nearest: at 95 % recall)",
        rows,
        "change",
        "n",
        "right",
        "near-tie",
        "wrong",
        "unknown",
        "nearest right",
        "wrong",
        "unknown",
    )


def _outside(result: RetrievalResult) -> Table:
    rows: list[tuple[str, ...]] = []
    for change, route, nearest in _pairs(result):
        rows.append(
            (
                change,
                str(route.outside),
                fraction(route.auroc),
                fraction(nearest.auroc if nearest else None),
                share(route.false_accepts_95),
                share(nearest.false_accepts_95 if nearest else None),
                share(route.false_accepts),
            )
        )
    return plain_table(
        "Images outside the catalogue: AUROC, and percent accepted all the same",
        rows,
        "change",
        "n",
        "AUROC route",
        "nearest",
        "at 95 % route",
        "nearest",
        "own threshold",
    )


def _calibration(result: RetrievalResult) -> Table:
    rows: list[tuple[str, ...]] = []
    for change, route, _ in _pairs(result):
        counts = str(route.known + route.outside)
        rows.append(
            (change, counts, fraction(route.ece), fraction(route.ece_mass), fraction(route.ece_known))
        )
    return plain_table(
        "Expected calibration error of the route, 15 bins",
        rows,
        "change",
        "n",
        "equal width",
        "equal mass",
        "equal width, known only",
    )


def _reliability(found: Calibration) -> Table:
    rows = [
        (
            f"{fraction(item.low)}-{fraction(item.high)}",
            str(item.right.n),
            fraction(item.confidence),
            share(item.right),
            fraction(item.right.count / item.right.n - item.confidence, signed=True),
        )
        for item in found.bins
    ]
    return plain_table(
        f"Reliability, all changes, {found.binning.value}: ECE {fraction(found.error)}",
        rows,
        "confidence",
        "n",
        "mean",
        "right",
        "right - mean",
    )


def _latency(result: RetrievalResult) -> Table:
    rows: list[tuple[str, ...]] = []
    for item in result.latency:
        times = (item.p50_ms, item.p95_ms, item.p99_ms)
        rows.append((item.step.value, str(item.n), *(decimal(value, 2) for value in times)))
    return plain_table("Milliseconds per query", rows, "step", "n", "p50", "p95", "p99")


def _pairs(result: RetrievalResult) -> Iterator[tuple[str, Figures, Figures | None]]:
    """Change, the route's figures, and the nearest reference's where there is one."""
    floor = {item.change: item for item in result.figures if item.router is RoutingMethod.NEAREST}
    for item in result.figures:
        if item.router is RoutingMethod.ROUTE:
            yield item.change, item, floor.get(item.change)
