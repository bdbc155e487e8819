"""Verdicts of comparisons as lines, the parts of a gain as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from mmad_rag.benchmark.analysis.circular import CircularScore
from mmad_rag.benchmark.analysis.compare import Comparison
from mmad_rag.benchmark.analysis.decompose import Decomposition
from mmad_rag.benchmark.data.question_sets import headings_of
from mmad_rag.benchmark.score.first_token_score import SecondReading
from mmad_rag.benchmark.score.table import AVERAGE
from mmad_rag.benchmark.stats.jackknife import NewProducts
from mmad_rag.benchmark.stats.small_sample import SMALL_CELL
from mmad_rag.benchmark.stats.verdict import Verdict
from mmad_rag.report.tables.scores import add_columns, percent, plain_table, points

_UNTOLD = "not told"


def verdict_lines(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """Two lines per comparison: what it amounts to on these products, and on new ones."""
    for comparison in comparisons:
        pair = f"{comparison.arm.arm} against {comparison.baseline.arm}"
        here = {item.column: item.verdict for item in comparison.columns}
        new = {
            item.column: item.new_products.verdict if item.new_products else None
            for item in comparison.columns
        }
        yield f"{pair}, on these products: {_said(here)}"
        yield f"{pair}, on new products: {_said(new)}"


def _said(verdicts: Mapping[str, Verdict | None]) -> str:
    """E.g. `better on average; better in AD, DefCls; undecided in ObjAna`."""
    parts = [f"{verdicts[AVERAGE] or _UNTOLD} on average"]
    headings = headings_of(tuple(verdicts))
    for verdict in (*Verdict, None):
        columns = [headings[name] for name, found in verdicts.items() if found is verdict and name != AVERAGE]
        if columns:
            parts.append(f"{verdict or _UNTOLD} in {', '.join(columns)}")
    return "; ".join(parts)


def verdict_notes(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """How verdicts come about, and where they rest on little."""
    if not comparisons:
        return
    first = comparisons[0]
    yield (
        "Verdicts: tests at 5 %, over the subtasks adjusted by Holm; no meaningful difference: the 90 % "
        f"interval lies within {first.margin:g} points either way. New products: jackknife over products, t."
    )
    if any(item.new_products is None for found in comparisons for item in found.columns):
        yield (
            f"{_UNTOLD}: a dataset has one product in this column, or no two products differ; "
            "ask about more products"
        )
    headings = headings_of([item.column for item in first.columns])
    if small := [headings[item.column] for item in first.columns if item.small]:
        yield (
            f"Fewer than {SMALL_CELL} questions in {', '.join(small)}: verdicts also need McNemar's exact "
            "test; it and Wilson's intervals stand in --json."
        )


def decomposition_table(decomposition: Decomposition) -> Table:
    """Every effect in points, with its interval on these and on new products, then the break-even point."""
    shown = plain_table("What the gain is made of, points; break-even in percent of images routed rightly")
    shown.add_column("effect", no_wrap=True)
    add_columns(shown, [item.column for item in decomposition.effects[0].columns])
    for effect in decomposition.effects:
        new = [item.new_products for item in effect.columns]
        shown.add_row(f"{effect.name}: {effect.formula}", *(points(item.value) for item in effect.columns))
        shown.add_row("  95 % from", *(points(item.low) for item in effect.columns))
        shown.add_row("  95 % to", *(points(item.high) for item in effect.columns))
        shown.add_row("  new products from", *map(_low, new))
        shown.add_row("  new products to", *map(_high, new))
    if found := decomposition.break_even:
        shown.add_row("break-even routing", *(percent(item.percent, digits=0) for item in found))
        shown.add_row("  95 % from", *(percent(item.low, digits=0) for item in found))
        shown.add_row("  95 % to", *(percent(item.high, digits=0) for item in found))
    return shown


def circular_table(scores: Sequence[CircularScore]) -> Table:
    """Circular evaluation, one row per arm."""
    shown = plain_table(f"Circular evaluation of {scores[0].questions} questions, percent of these")
    shown.add_column("arm", no_wrap=True)
    for heading in ("first order", "every order", "95 % from", "to", "same option"):
        shown.add_column(heading, justify="right")
    for item in scores:
        numbers = (item.first, item.every, item.low, item.high, item.same)
        shown.add_row(item.arm, *(f"{number:.1f}" for number in numbers))
    return shown


def second_reading_table(readings: Sequence[SecondReading]) -> Table:
    """Scores by words beside scores by the first token, one row per arm."""
    shown = plain_table("Percent right by two readings of each reply")
    shown.add_column("arm", no_wrap=True)
    for heading in ("by words", "by first token", "read alike", "no choice", "known", "of"):
        shown.add_column(heading, justify="right")
    for item in readings:
        counts = (item.alike, item.invalid, item.known, item.questions)
        shown.add_row(item.arm, f"{item.by_words:.1f}", f"{item.by_first_token:.1f}", *map(str, counts))
    return shown


def _low(found: NewProducts | None) -> str:
    return points(found.low if found else None)


def _high(found: NewProducts | None) -> str:
    return points(found.high if found else None)
