"""Forecasts and costs of runs as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from mmad_rag.benchmark.analysis.cost import Spending
from mmad_rag.benchmark.analysis.forecast import Forecast
from mmad_rag.benchmark.score.table import AVERAGE
from mmad_rag.benchmark.stats.power import IMAGE_CORRELATION, PRODUCT_SPREAD, DetectableGain
from mmad_rag.models.prices import Price
from mmad_rag.report.tables.scores import add_columns, percent, plain_table


def forecast_table(found: Forecast) -> Table:
    """Requests, tokens and price per arm, then in sum."""
    shown = plain_table(f"Plan of {found.questions:,} questions (estimates)")
    shown.add_column("arm", no_wrap=True)
    for heading in ("requests", "to ask", "tokens in", "tokens out", "USD"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for arm in found.arms:
        counts = (arm.requests, arm.left, arm.input_tokens, arm.output_tokens)
        shown.add_row(arm.arm, *(f"{count:,}" for count in counts), _usd(arm.usd))
    sums = [
        sum(getattr(arm, name) for arm in found.arms)
        for name in ("requests", "left", "input_tokens", "output_tokens")
    ]
    shown.add_row("all", *(f"{count:,}" for count in sums), _usd(found.usd))
    return shown


def gains_table(gains: Sequence[DetectableGain], title: str) -> Table:
    """The smallest gain that each column can show."""
    shown = plain_table(title)
    shown.add_column("", no_wrap=True)
    add_columns(shown, [gain.column for gain in gains])
    shown.add_row("questions", *(str(gain.questions) for gain in gains))
    shown.add_row("on these products", *(percent(gain.these_products, digits=1) for gain in gains))
    shown.add_row("on new products", *(percent(gain.new_products, digits=1) for gain in gains))
    return shown


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
        f"Gains: at 80 % power, two-sided at 5 %, if arms disagree on {100 * found.discordance:.0f} % of the "
        f"questions (--discordance), differences within an image correlate by {IMAGE_CORRELATION:g} and true "
        f"gains of products spread by {PRODUCT_SPREAD:g} points."
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
        return f"{bought.usd:g} USD buy all {found.questions:,} questions in every arm"
    return (
        f"{bought.usd:g} USD buy {bought.limit:,} questions in every arm: give --limit {bought.limit}, which "
        f"can show a gain of {percent(average.these_products, digits=1)} points on these products, "
        f"{percent(average.new_products, digits=1)} on new ones"
    )


def price_note(price: Price) -> str:
    """What was reckoned with, and of when it is."""
    return (
        f"Price: {price.input:g} USD per million tokens in, {price.output:g} out, as of {price.as_of} "
        f"({price.source}); --prices FILE replaces it."
    )


def spending_lines(found: Spending) -> Iterator[str]:
    """What every arm has cost, and what a point of a gain has."""
    if not any(arm.usd for arm in found.arms):
        return
    for arm in found.arms:
        lacking = arm.replies - arm.counted
        unknown = f"; {lacking} replies came without token counts" if lacking else ""
        yield (
            f"{arm.arm} has cost {_usd(arm.usd)} USD: {arm.input_tokens:,} tokens in, "
            f"{arm.output_tokens:,} out{unknown}"
        )
    for item in found.per_point:
        extra = f"{item.arm} costs {item.extra_usd:+.2f} USD against {item.baseline}"
        if item.per_point is None:
            yield f"{extra} for no gain that is certain ({item.points:+.1f} points)"
        else:
            yield (f"{extra}: {item.per_point:.2f} USD per point gained [{item.low:.2f}, {item.high:.2f}]")


def _usd(usd: float | None) -> str:
    return "?" if usd is None else f"{usd:,.2f}"
