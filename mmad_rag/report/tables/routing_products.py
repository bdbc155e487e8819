"""A measurement of retrieval as tables: what differs between products."""

from __future__ import annotations

from mmad_rag.report.tables.numbers import fraction, percent, share
from mmad_rag.report.tables.table import Table, plain_table
from mmad_rag.retrieval_eval.confusion import OUTSIDE
from mmad_rag.retrieval_eval.figures import ALL_CHANGES, RoutingMethod
from mmad_rag.retrieval_eval.result import RetrievalResult, figures_of

_PAIRS_SHOWN = 12


def products_table(result: RetrievalResult) -> Table:
    """Recall of each product."""
    rows = [
        (
            item.product,
            str(item.references),
            str(item.top1.n),
            share(item.top1),
            share(item.nearest_top1),
            str(item.right.count),
            str(item.near_tie.count),
            str(item.called_unknown.count),
        )
        for item in result.products
    ]
    return plain_table(
        "Recall per product, all changes",
        rows,
        "product",
        "refs",
        "n",
        "top-1 route",
        "nearest",
        "right",
        "near-tie",
        "unknown",
    )


def confused_table(result: RetrievalResult) -> Table:
    """Wrong names only: images for which nothing was named are counted in the other tables."""
    rows: list[tuple[str, ...]] = []
    for router in RoutingMethod:
        own = [pair for pair in result.confused if pair.router is router and pair.named != OUTSIDE]
        for pair in own[:_PAIRS_SHOWN]:
            changes = ", ".join(f"{change} {count}" for change, count in pair.changes.items())
            times = f"{pair.images.count} of {pair.images.n}"
            rows.append((pair.product, pair.named, router.value, times, changes))
        if len(own) > _PAIRS_SHOWN:
            rest = own[_PAIRS_SHOWN:]
            count = sum(pair.images.count for pair in rest)
            rows.append((f"{len(rest)} more pairs", "", router.value, str(count), ""))
    return plain_table(
        "Confused, all changes: what is shown, what was named instead",
        rows,
        "shows",
        "named",
        "by",
        "times",
        "under",
        numbers=False,
    )


def leave_product_out_table(result: RetrievalResult) -> Table:
    """How many images of a product that the index does not hold are declared unknown."""
    rows = [
        (
            item.product,
            str(item.unknown.n),
            share(item.unknown),
            share(item.unknown_95),
            share(item.nearest_unknown_95),
        )
        for item in result.leave_product_out
    ]
    return plain_table(
        "Product left out: percent of its images declared unknown",
        rows,
        "product",
        "n",
        "own threshold",
        "at 95 %",
        "nearest 95 %",
    )


def named_instead_table(result: RetrievalResult) -> Table:
    """What such images were taken for."""
    rows: list[tuple[str, ...]] = []
    for item in result.leave_product_out[:-1]:
        if item.named:
            named = ", ".join(f"{product} {count}" for product, count in item.named.items())
            rows.append((item.product, named))
    return plain_table(
        "Product left out: what was named instead, by the index's own threshold",
        rows,
        "product",
        "named",
        numbers=False,
    )


def fewer_references_table(result: RetrievalResult) -> Table:
    """What routing comes to with fewer references."""
    rows: list[tuple[str, ...]] = []
    for item in result.fewer_references:
        for change in dict.fromkeys(figure.change for figure in item.figures):
            if change in (result.changes[0], ALL_CHANGES):
                route = figures_of(item.figures, RoutingMethod.ROUTE, change)
                nearest = figures_of(item.figures, RoutingMethod.NEAREST, change)
                rows.append(
                    (
                        str(item.per_product),
                        change,
                        str(route.known),
                        share(route.top1),
                        share(nearest.top1),
                        share(route.false_accepts_95),
                        share(nearest.false_accepts_95),
                        fraction(route.ece),
                    )
                )
    return plain_table(
        "With fewer references per product, thresholds anew for each number",
        rows,
        "refs",
        "change",
        "n",
        "top-1 route",
        "nearest",
        "accepted 95 %",
        "nearest",
        "ECE",
    )


def defects_table(result: RetrievalResult) -> Table:
    """How often the nearest other defect image shows the same kind."""
    rows: list[tuple[str, ...]] = []
    for item in result.defects:
        chance = percent(100 * item.chance)
        rows.append(
            (item.product, str(item.defects), str(item.right.n), share(item.right), chance, str(item.alone))
        )
    return plain_table(
        "Which defect: kind of the nearest other defect image",
        rows,
        "product",
        "kinds",
        "n",
        "right",
        "chance",
        "alone of its kind",
    )
