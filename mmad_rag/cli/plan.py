"""`mmad-rag eval --plan`: what a run will ask, cost and be able to show, before anything is asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.cli.console import note, out, print_json, print_table
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.benchmark.analysis.forecast import Dry
    from mmad_rag.benchmark.data.selection import Selection
    from mmad_rag.benchmark.run.budget import Budget
    from mmad_rag.models.prices import Price


def show_plan(
    selection: Selection,
    sample: Callable[[int], Selection],
    dry: Dry,
    *,
    out_folder: Path,
    price: Price | None,
    budget: float | None,
    discordance: float,
    as_json: bool,
) -> None:
    """Forecast a run, and print it; see `forecast`."""
    from mmad_rag.benchmark.analysis.forecast import forecast
    from mmad_rag.rag import run_sync
    from mmad_rag.report.tables.forecast import budget_line, forecast_notes, forecast_table, gains_table

    _check_sum(budget)
    found = run_sync(
        forecast(selection, sample, dry, out=out_folder, price=price, budget=budget, discordance=discordance)
    )
    if as_json:
        print_json({"plan": found, "usd": found.usd})
        _check_price(budget, price)
        return
    print_table(forecast_table(found))
    print_table(gains_table(found.gains, "Smallest gain that these questions can show, points"))
    if line := budget_line(found):
        out().print(line, markup=False, soft_wrap=True)
    for line in forecast_notes(found):
        note(line)
    _check_price(budget, price)


def _check_price(budget: float | None, price: Price | None) -> None:
    """Refuse a budget that nothing can be said of."""
    if budget is not None and price is None:
        raise DataError("what the budget buys cannot be told without a price; give --prices FILE")


def budget_of(usd: float | None, price: Price | None) -> Budget | None:
    """The budget of a run.

    Raises:
        DataError: one is wanted and the price is not known.
    """
    from mmad_rag.benchmark.run.budget import Budget

    _check_sum(usd)
    if usd is None:
        return None
    if price is None:
        raise DataError(
            "no budget can be kept, as the price of this model is not known; give --prices FILE with a table "
            "of your own, or leave --budget out"
        )
    if not usd > 0 and (price.input or price.output):
        raise DataError(f"a budget of {usd:g} USD allows no request; give more, or leave --budget out")
    return Budget(usd, price.cost_of)


def _check_sum(usd: float | None) -> None:
    if usd is not None and not math.isfinite(usd):
        raise DataError(f"a budget of {usd} USD is not a sum; give a number, or leave --budget out")
