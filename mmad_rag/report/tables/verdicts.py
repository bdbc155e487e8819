"""Verdicts of comparisons as lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mmad_rag.benchmark.analysis.compare import Comparison
from mmad_rag.benchmark.analysis.subsets import Subset
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.question_sets import headings_of
from mmad_rag.benchmark.stats.small_sample import SMALL_CELL
from mmad_rag.benchmark.stats.verdict import Verdict
from mmad_rag.report.tables.gains import UNTOLD
from mmad_rag.report.tables.numbers import interval, percent, points

ON_NEW_PRODUCTS = "New products: jackknife over products, by t."
"""The source of what is said of new products."""
WHY_UNTOLD = f"{UNTOLD}: a dataset has one product in this column, or no two products differ"
"""The reasons for saying nothing of new products."""


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
    parts = [f"{verdicts[AVERAGE] or UNTOLD} on average"]
    headings = headings_of(tuple(verdicts))
    for verdict in (*Verdict, None):
        columns = [headings[name] for name, found in verdicts.items() if found is verdict and name != AVERAGE]
        if columns:
            parts.append(f"{verdict or UNTOLD} in {', '.join(columns)}")
    return "; ".join(parts)


def verdict_notes(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """How verdicts come about, and where they rest on little."""
    if not comparisons:
        return
    first = comparisons[0]
    yield f"{verdict_rule(first)} {ON_NEW_PRODUCTS}"
    if any(item.new_products is None for found in comparisons for item in found.columns):
        yield f"{WHY_UNTOLD}; ask about more products"
    headings = headings_of([item.column for item in first.columns])
    if small := [headings[item.column] for item in first.columns if item.small]:
        yield f"{few_questions(small)}; it and Wilson's intervals stand in --json."


def verdict_rule(comparison: Comparison) -> str:
    """The tests behind the verdicts of a comparison."""
    return (
        "Verdicts: tests at 5 %, over the subtasks adjusted by Holm; no meaningful difference: the 90 % "
        f"interval lies within {comparison.margin:g} points either way."
    )


def few_questions(columns: Sequence[str]) -> str:
    """What else verdicts in these small columns need; without a full stop."""
    return (
        f"Fewer than {SMALL_CELL} questions in {', '.join(columns)}: verdicts also need McNemar's exact test"
    )


def subset_lines(subset: Subset) -> Iterator[str]:
    """One line per comparison: how many questions, both scores, the gain with its 95 % interval."""
    for comparison in subset.comparisons:
        average = comparison.columns[-1]
        reach = interval(average.low, average.high, points)
        yield (
            f"{comparison.arm.arm}, {subset.name} ({subset.questions} of {subset.of_questions} questions): "
            f"{percent(average.arm)} against {percent(average.baseline)} of {comparison.baseline.arm}, "
            f"{points(average.difference)} points {reach}".rstrip()
        )
