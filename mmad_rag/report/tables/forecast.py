"""Forecasts of runs as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmad_rag.benchmark.analysis.forecast import Forecast
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.stats.power import IMAGE_CORRELATION, PRODUCT_SPREAD, MinimumDetectableEffect
from mmad_rag.report.tables.numbers import count, percent, whole
from mmad_rag.report.tables.scores import score_columns
from mmad_rag.report.tables.spending import price_note, usd_known
from mmad_rag.report.tables.table import Table, TableColumn, corner, table_row


def forecast_table(found: Forecast) -> Table:
    """Requests, tokens and price per arm, then in sum."""
    names = ("requests", "left", "input_tokens", "output_tokens")
    rows = [
        table_row(arm.arm, (*(count(getattr(arm, name)) for name in names), usd_known(arm.usd)))
        for arm in found.arms
    ]
    sums = (count(sum(getattr(arm, name) for arm in found.arms)) for name in names)
    return Table(
        f"Plan of {count(found.questions)} questions (estimates)",
        (corner("arm"), *map(TableColumn, ("requests", "to ask", "tokens in", "tokens out", "USD"))),
        (*rows, table_row("all", (*sums, usd_known(found.usd)))),
    )


def detectable_table(effects: Sequence[MinimumDetectableEffect], title: str) -> Table:
    """The smallest gain that each column can show."""
    return Table(
        title,
        (corner(""), *score_columns([effect.column for effect in effects])),
        (
            table_row("questions", (str(effect.questions) for effect in effects)),
            table_row("on these products", (percent(effect.these_products) for effect in effects)),
            table_row("on new products", (percent(effect.new_products) for effect in effects)),
        ),
    )


def forecast_notes(found: Forecast) -> Iterator[str]:
    """What the numbers rest on."""
    yield (
        f"Tokens: counted on {found.sampled} of the questions, retrieval included; replies are taken to be "
        "as long as --reply-tokens says."
    )
    if found.price is None:
        yield "Price: not known for this model; give --prices FILE with a table of your own."
    else:
        yield price_note(found.price)
    if any(gain.these_products is None for gain in found.gains):
        yield "-: too few questions for any gain to show; ask more, or about more products for new ones."
    yield (
        f"Gains: at 80 % power, two-sided at 5 %, if arms disagree on {whole(100 * found.discordance)} % "
        f"of the questions (--discordance), differences within an image correlate by {IMAGE_CORRELATION:g} "
        f"and true gains of products spread by {PRODUCT_SPREAD:g} points."
    )


def budget_line(found: Forecast) -> str | None:
    """What the sum that was named buys; None where none was."""
    bought = found.budget
    if bought is None:
        return None
    if not bought.limit:
        return f"{bought.usd:g} USD buy no question in every arm"
    average = next(gain for gain in bought.gains if gain.column == AVERAGE)
    if bought.limit == found.questions:
        return f"{bought.usd:g} USD buy all {count(found.questions)} questions in every arm"
    return (
        f"{bought.usd:g} USD buy {count(bought.limit)} questions in every arm: give --limit {bought.limit}, "
        f"which can show a gain of {percent(average.these_products)} points on these products, "
        f"{percent(average.new_products)} on new ones"
    )
