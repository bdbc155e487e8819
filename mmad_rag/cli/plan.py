"""`mmad-rag eval --plan`: what a run will ask, cost and be able to show, before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.cli.console import note, out, print_json, print_table
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.evaluation.experiment import Experiment


def show_plan(experiment: Experiment, *, budget: float | None, discordance: float, as_json: bool) -> None:
    """Print the forecast of a run.

    Raises:
        DataError: nothing can be said of a budget, because the price is not known; the rest is printed.
    """
    from mmad_rag.report.tables.forecast import budget_line, detectable_table, forecast_notes, forecast_table

    found = experiment.forecast(budget=budget, discordance=discordance)
    if as_json:
        print_json({"plan": found, "usd": found.usd})
    else:
        print_table(forecast_table(found))
        print_table(detectable_table(found.gains, "Smallest gain that these questions can show, points"))
        if line := budget_line(found):
            out().print(line, markup=False, soft_wrap=True)
        for line in forecast_notes(found):
            note(line)
    if budget is not None and found.price is None:
        raise DataError("what the budget buys cannot be told without a price; give --prices FILE")
