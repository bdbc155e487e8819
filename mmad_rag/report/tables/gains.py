"""What the arms of a run change, as tables."""

from __future__ import annotations

from collections.abc import Sequence

from mmad_rag.benchmark.analysis.compare import Comparison, Difference
from mmad_rag.benchmark.analysis.decompose import BreakEven, Decomposition
from mmad_rag.benchmark.analysis.subsets import Subset
from mmad_rag.report.tables.numbers import NOTHING, count, p_value, percent, points, whole
from mmad_rag.report.tables.scores import score_columns
from mmad_rag.report.tables.table import (
    ELSEWHERE,
    HERE,
    Interval,
    Table,
    TableCell,
    TableColumn,
    TableRow,
    corner,
    estimate_cell,
    named_interval,
    table_row,
)

UNTOLD = "not told"
"""The verdict where the products measured cannot tell."""


def gain_table(comparison: Comparison) -> Table:
    """Subtasks down: what an arm changes, what it amounts to on these products, and on new ones."""
    baseline, arm = comparison.baseline.arm, comparison.arm.arm
    headings = (
        "Questions",
        baseline,
        arm,
        "Gain on these products",
        "Verdict on these products",
        "Gain on new products",
        "Verdict on new products",
        "Turned right",
        "Turned wrong",
    )
    return Table(
        f"{arm} against {baseline}: points gained, with 95 % intervals",
        (corner("Subtask"), *map(TableColumn, headings)),
        tuple(map(_gain_row, comparison.columns)),
    )


def _gain_row(item: Difference) -> TableRow:
    new = item.new_products
    elsewhere, told = TableCell(NOTHING), TableCell(UNTOLD)
    if new is not None:
        reach = named_interval(ELSEWHERE, new.low, new.high, points)
        elsewhere = TableCell(points(item.difference), (reach,))
        told = TableCell(str(new.verdict), notes=_chance(new.adjusted_p))
    return table_row(
        item.column,
        (
            count(item.questions),
            percent(item.baseline),
            percent(item.arm),
            estimate_cell(item.estimate, points),
            TableCell(str(item.verdict), notes=_chance(item.adjusted_p)),
            elsewhere,
            told,
            count(item.wrong_to_right),
            count(item.right_to_wrong),
        ),
    )


def _chance(found: float | None) -> tuple[str, ...]:
    return () if found is None else (p_value(found),)


def decomposition_table(decomposition: Decomposition) -> Table:
    """Effects down, subtasks across, each with both intervals; then the break-even point."""
    rows = [
        table_row(
            TableCell(effect.name, notes=(effect.formula,)),
            (
                estimate_cell(item, points, elsewhere=item.estimate_elsewhere, both=True, untold=UNTOLD)
                for item in effect.columns
            ),
        )
        for effect in decomposition.effects
    ]
    if decomposition.break_even:
        rows.append(table_row("break-even routing", map(_break_even, decomposition.break_even)))
    columns = [item.column for item in decomposition.effects[0].columns]
    return Table(
        "What the gain is made of, points; break-even in percent of images routed rightly",
        (
            corner("Effect", "effect"),
            *score_columns(columns),
        ),
        tuple(rows),
        legend="below each its 95 % interval on these products, then on new ones",
    )


def _break_even(item: BreakEven) -> TableCell:
    low, high = whole(item.low, "-∞"), whole(item.high, "∞")
    return TableCell(whole(item.percent), (Interval(HERE, low, high, f"[{low}, {high}]"),))


def subsets_table(subsets: Sequence[Subset]) -> Table:
    """Comparisons on parts of the questions, one per row."""
    rows = []
    for subset in subsets:
        for item in subset.comparisons:
            average = item.columns[-1]
            head = TableCell(f"{item.arm.arm} against {item.baseline.arm}", notes=(subset.name,))
            shown = (
                f"{count(subset.questions)} of {count(subset.of_questions)}",
                percent(average.baseline),
                percent(average.arm),
                estimate_cell(average.estimate, points),
                str(average.verdict),
            )
            rows.append(table_row(head, shown))
    headings = ("Questions", "Baseline", "Arm", "Gain on these products", "Verdict on these products")
    title = "Averages on parts of the questions, with 95 % intervals"
    return Table(title, (corner("Part"), *map(TableColumn, headings)), tuple(rows))
