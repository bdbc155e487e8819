"""What a run has cost, as a table and as lines."""

from __future__ import annotations

from collections.abc import Iterator

from mmad_rag.benchmark.analysis.cost import ArmCost, CostPerPoint, Spending
from mmad_rag.models.prices import Price
from mmad_rag.report.tables.numbers import NOTHING, count, interval, points, usd
from mmad_rag.report.tables.table import (
    HERE,
    Table,
    TableCell,
    TableColumn,
    corner,
    named_interval,
    table_row,
)

_UNCERTAIN = "no gain that is certain"


def spending_table(found: Spending) -> Table:
    """Arms down: what each has cost, and what a point gained has."""
    per_point = {item.arm: item for item in found.per_point}
    rows = (
        table_row(
            arm.arm,
            (
                count(arm.input_tokens),
                count(arm.output_tokens),
                TableCell(usd(arm.usd), notes=tuple(_uncounted(arm))),
                _point_cell(per_point.get(arm.arm)),
            ),
        )
        for arm in found.arms
    )
    headings = ("Tokens in", "Tokens out", "USD", "USD per point gained")
    return Table(
        f"Cost at {_price(found.price)}", (corner("Arm", "arm"), *map(TableColumn, headings)), tuple(rows)
    )


def _point_cell(item: CostPerPoint | None) -> TableCell:
    if item is None:
        return TableCell(NOTHING)
    if item.per_point is None or item.low is None or item.high is None:
        return TableCell(NOTHING, notes=(_UNCERTAIN,))
    return TableCell(usd(item.per_point), (named_interval(HERE, item.low, item.high, usd),))


def spending_lines(found: Spending) -> Iterator[str]:
    """What every arm has cost, and what a point of a gain has."""
    if not any(arm.usd for arm in found.arms):
        return
    for arm in found.arms:
        cost = (
            f"{arm.arm} has cost {usd_known(arm.usd)} USD: {count(arm.input_tokens)} tokens in, "
            f"{count(arm.output_tokens)} out"
        )
        yield "; ".join((cost, *_uncounted(arm)))
    for item in found.per_point:
        extra = f"{item.arm} costs {usd(item.extra_usd, signed=True)} USD against {item.baseline}"
        if item.per_point is None:
            yield f"{extra} for {_UNCERTAIN} ({points(item.points)} points)"
        else:
            yield f"{extra}: {usd(item.per_point)} USD per point gained {interval(item.low, item.high, usd)}"


def _uncounted(arm: ArmCost) -> Iterator[str]:
    """That some replies are not in the arm's cost; nothing if all are."""
    if lacking := arm.replies - arm.counted:
        yield f"{count(lacking)} replies came without token counts"


def price_note(price: Price) -> str:
    """The price that costs are computed with, and its date."""
    return f"Price: {_price(price)}; --prices FILE replaces it."


def _price(price: Price) -> str:
    return (
        f"{price.input:g} USD per million tokens in, {price.output:g} out, as of {price.as_of} "
        f"({price.source})"
    )


def usd_known(number: float | None) -> str:
    """A sum of US dollars; a question mark where the price is not known."""
    return "?" if number is None else usd(number)
