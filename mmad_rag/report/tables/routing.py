"""A measurement of retrieval as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from mmad_rag.retrieval_eval.calibration import Calibration
from mmad_rag.retrieval_eval.confusion import OUTSIDE
from mmad_rag.retrieval_eval.figures import ALL_CHANGES, Figures, Router
from mmad_rag.retrieval_eval.metrics import Share
from mmad_rag.retrieval_eval.result import RetrievalResult, figures_of

_PAIRS_SHOWN = 12
_NOTHING = "-"


def retrieval_tables(result: RetrievalResult) -> Iterator[Table]:
    """Every table that has something to say, in reading order, each at most eighty columns wide."""
    yield _ranking(result)
    yield _outcomes(result)
    if result.outside:
        yield _outside(result)
    yield _calibration(result)
    yield from (_reliability(found) for found in result.calibration)
    yield _products(result)
    if any(pair.named != OUTSIDE for pair in result.confused):
        yield _confused(result)
    yield _latency(result)
    if result.leave_product_out:
        yield _leave_product_out(result)
        if result.leave_product_out[-1].named:
            yield _named_instead(result)
    if result.fewer_references:
        yield _fewer_references(result)
    if result.defects:
        yield _defects(result)


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
    shown = _table("Known images: percent ranked first, and in the first three")
    _columns(shown, "change", "n", "top-1 route", "nearest", "top-3 route", "nearest")
    for change, route, nearest in _pairs(result):
        shown.add_row(
            change,
            str(route.known),
            _share(route.top1),
            _share(nearest.top1 if nearest else None),
            _share(route.top3),
            _share(nearest.top3 if nearest else None),
        )
    return shown


def _outcomes(result: RetrievalResult) -> Table:
    shown = _table("Known images: what was concluded (nearest: at 95 % recall)")
    _columns(shown, "change", "n", "right", "near-tie", "wrong", "unknown")
    for name in ("nearest right", "wrong", "unknown"):
        shown.add_column(name, justify="right")
    for change, route, nearest in _pairs(result):
        counted = (route.right, route.near_tie, route.wrong, route.called_unknown)
        floor = (nearest.right, nearest.wrong, nearest.called_unknown) if nearest else (None,) * 3
        cells = [_NOTHING if item is None else str(item.count) for item in (*counted, *floor)]
        shown.add_row(change, str(route.known), *cells)
    return shown


def _outside(result: RetrievalResult) -> Table:
    shown = _table("Images outside the catalogue: AUROC, and percent accepted all the same")
    _columns(shown, "change", "n", "AUROC route", "nearest", "at 95 % route", "nearest", "own threshold")
    for change, route, nearest in _pairs(result):
        shown.add_row(
            change,
            str(route.outside),
            _number(route.auroc),
            _number(nearest.auroc if nearest else None),
            _share(route.false_accepts_95),
            _share(nearest.false_accepts_95 if nearest else None),
            _share(route.false_accepts),
        )
    return shown


def _calibration(result: RetrievalResult) -> Table:
    shown = _table("Expected calibration error of the route, 15 bins")
    _columns(shown, "change", "n", "equal width", "equal mass", "equal width, known only")
    for change, route, _ in _pairs(result):
        counts = str(route.known + route.outside)
        shown.add_row(change, counts, _number(route.ece), _number(route.ece_mass), _number(route.ece_known))
    return shown


def _reliability(found: Calibration) -> Table:
    shown = _table(f"Reliability, all changes, {found.binning.value}: ECE {found.error:.3f}")
    _columns(shown, "confidence", "n", "mean", "right", "right - mean")
    for item in found.bins:
        shown.add_row(
            f"{item.low:.3f}-{item.high:.3f}",
            str(item.right.n),
            f"{item.confidence:.3f}",
            _share(item.right),
            f"{item.right.count / item.right.n - item.confidence:+.3f}",
        )
    return shown


def _products(result: RetrievalResult) -> Table:
    shown = _table("Recall per product, all changes")
    _columns(shown, "product", "refs", "n", "top-1 route", "nearest", "right", "near-tie", "unknown")
    for item in result.products:
        shown.add_row(
            item.product,
            str(item.references),
            str(item.top1.n),
            _share(item.top1),
            _share(item.nearest_top1),
            str(item.right.count),
            str(item.near_tie.count),
            str(item.called_unknown.count),
        )
    return shown


def _confused(result: RetrievalResult) -> Table:
    """Wrong names only: images for which nothing was named are counted in the other tables."""
    shown = _table("Confused, all changes: what is shown, what was named instead")
    _columns(shown, "shows", "named", "by", "times", "under", numbers=False)
    for router in Router:
        own = [pair for pair in result.confused if pair.router is router and pair.named != OUTSIDE]
        for pair in own[:_PAIRS_SHOWN]:
            changes = ", ".join(f"{change} {count}" for change, count in pair.changes.items())
            times = f"{pair.images.count} of {pair.images.n}"
            shown.add_row(pair.product, pair.named, router.value, times, changes)
        if len(own) > _PAIRS_SHOWN:
            rest = own[_PAIRS_SHOWN:]
            count = sum(pair.images.count for pair in rest)
            shown.add_row(f"{len(rest)} more pairs", "", router.value, str(count), "")
    return shown


def _latency(result: RetrievalResult) -> Table:
    shown = _table("Milliseconds per query")
    _columns(shown, "step", "n", "p50", "p95", "p99")
    for item in result.latency:
        times = (item.p50_ms, item.p95_ms, item.p99_ms)
        shown.add_row(item.step.value, str(item.n), *(f"{value:.2f}" for value in times))
    return shown


def _leave_product_out(result: RetrievalResult) -> Table:
    shown = _table("Product left out: percent of its images declared unknown")
    _columns(shown, "product", "n", "own threshold", "at 95 %", "nearest 95 %")
    for item in result.leave_product_out:
        shown.add_row(
            item.product,
            str(item.unknown.n),
            _share(item.unknown),
            _share(item.unknown_95),
            _share(item.nearest_unknown_95),
        )
    return shown


def _named_instead(result: RetrievalResult) -> Table:
    shown = _table("Product left out: what was named instead, by the index's own threshold")
    _columns(shown, "product", "named", numbers=False)
    for item in result.leave_product_out[:-1]:
        if item.named:
            named = ", ".join(f"{product} {count}" for product, count in item.named.items())
            shown.add_row(item.product, named)
    return shown


def _fewer_references(result: RetrievalResult) -> Table:
    shown = _table("With fewer references per product, thresholds anew for each number")
    _columns(shown, "refs", "change", "n", "top-1 route", "nearest", "accepted 95 %", "nearest", "ECE")
    for item in result.fewer_references:
        for change in dict.fromkeys(figure.change for figure in item.figures):
            if change in (result.changes[0], ALL_CHANGES):
                route = figures_of(item.figures, Router.ROUTE, change)
                nearest = figures_of(item.figures, Router.NEAREST, change)
                shown.add_row(
                    str(item.per_product),
                    change,
                    str(route.known),
                    _share(route.top1),
                    _share(nearest.top1),
                    _share(route.false_accepts_95),
                    _share(nearest.false_accepts_95),
                    _number(route.ece),
                )
    return shown


def _defects(result: RetrievalResult) -> Table:
    shown = _table("Which defect: kind of the nearest other defect image")
    _columns(shown, "product", "kinds", "n", "right", "chance", "alone of its kind")
    for item in result.defects:
        chance = f"{100 * item.chance:.1f}"
        shown.add_row(
            item.product, str(item.defects), str(item.right.n), _share(item.right), chance, str(item.alone)
        )
    return shown


def _pairs(result: RetrievalResult) -> Iterator[tuple[str, Figures, Figures | None]]:
    """Change, the route's figures, and the nearest reference's where there is one."""
    floor = {item.change: item for item in result.figures if item.router is Router.NEAREST}
    for item in result.figures:
        if item.router is Router.ROUTE:
            yield item.change, item, floor.get(item.change)


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
        header_style="bold",
    )


def _columns(table: Table, first: str, *others: str, numbers: bool = True) -> None:
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right" if numbers else "left", no_wrap=numbers)


def _share(share: Share | None) -> str:
    """Percent with its interval, e.g. `99.5 (98-100)`."""
    if share is None or share.share is None or share.low is None or share.high is None:
        return _NOTHING
    return f"{100 * share.share:.1f} ({100 * share.low:.0f}-{100 * share.high:.0f})"


def _number(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.3f}"
