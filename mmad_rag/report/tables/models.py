"""Many models on the same questions, as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mmad_rag.benchmark.analysis.compare import Difference
from mmad_rag.benchmark.many.matrix import ModelMatrix
from mmad_rag.benchmark.many.model_audit import AuditPart
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.verdict import LEVEL, Verdict
from mmad_rag.report.tables.gains import UNTOLD
from mmad_rag.report.tables.numbers import NOTHING, count, percent, points
from mmad_rag.report.tables.scores import score_columns
from mmad_rag.report.tables.table import (
    ELSEWHERE,
    HERE,
    Table,
    TableCell,
    TableColumn,
    corner,
    estimate_cell,
    named_interval,
    table_row,
)

SIGNS = {Verdict.BETTER: ">", Verdict.WORSE: "<", Verdict.NO_DIFFERENCE: "=", Verdict.UNDECIDED: "?"}
"""How a verdict is written beside a difference."""


def models_table(matrix: ModelMatrix) -> Table:
    """Models down: scores by subtask with intervals, then the numbers of invalid and of missing answers."""
    rows = (
        table_row(
            model.arm,
            (
                *(estimate_cell(item, percent) for item in model.columns),
                count(rates.invalid),
                count(rates.failed),
            ),
        )
        for model, rates in zip(matrix.models, matrix.rates, strict=True)
    )
    columns = [item.column for item in matrix.models[0].columns]
    return Table(
        f"Percent right of the same {count(matrix.questions)} questions, mean over datasets, rule fixed",
        (corner("Model", "model"), *score_columns(columns), TableColumn("Invalid"), TableColumn("Missing")),
        tuple(rows),
        legend="below each its 95 % interval on these products",
    )


def matrix_tables(matrix: ModelMatrix) -> tuple[Table, Table]:
    """Every model against every other on average: on these products, then on new ones."""
    return (
        _matrix(matrix, "on these products", _here),
        _matrix(matrix, "on new products", _elsewhere),
    )


def _matrix(matrix: ModelMatrix, where: str, cell: Callable[[Difference, int], TableCell]) -> Table:
    averages = {(pair.baseline.arm, pair.arm.arm): pair.columns[-1] for pair in matrix.pairs}
    names = [model.arm for model in matrix.models]

    def cells(row: str) -> Iterator[TableCell]:
        for column in names:
            if (column, row) in averages:
                yield cell(averages[column, row], 1)
            elif (row, column) in averages:
                yield cell(averages[row, column], -1)
            else:
                yield TableCell(NOTHING)

    return Table(
        f"Average of the row's model less that of the column's, points, {where}",
        (corner("Model", "model"), *map(TableColumn, names)),
        tuple(table_row(name, cells(name)) for name in names),
        legend="below each its 95 % interval",
    )


def _here(item: Difference, sign: int) -> TableCell:
    return _signed_cell(item.estimate, item.verdict, sign, HERE)


def _elsewhere(item: Difference, sign: int) -> TableCell:
    if item.new_products is None or item.estimate_elsewhere is None:
        return TableCell(UNTOLD)
    return _signed_cell(item.estimate_elsewhere, item.new_products.verdict, sign, ELSEWHERE)


def _signed_cell(found: Estimate, verdict: Verdict, sign: int, name: str) -> TableCell:
    """The difference seen from either model; from the other one, every sign is turned."""
    value, low, high, shown = found.value, found.low, found.high, SIGNS[verdict]
    if sign < 0:
        value, shown = -value, {">": "<", "<": ">"}.get(shown, shown)
        low, high = (None if high is None else -high), (None if low is None else -low)
    return TableCell(f"{points(value)} {shown}", (named_interval(name, low, high, points),))


def matrix_notes(matrix: ModelMatrix) -> Iterator[str]:
    """How to read the tables."""
    yield (
        "> better, < worse, = no meaningful difference (the 90 % interval lies within "
        f"{matrix.margin:g} points either way), ? undecided: tests at 5 %, adjusted by Holm over "
        f"{count(len(matrix.pairs))} pairs. Invalid and missing answers count as wrong."
    )
    least = 2 * len(matrix.pairs) / (matrix.replicates + 1)
    if least >= LEVEL:
        needed = round(4 / LEVEL) * len(matrix.pairs)
        yield (
            f"{count(matrix.replicates)} draws are too few to call a model better or worse on these products "
            f"over {count(len(matrix.pairs))} pairs; give --replicates {needed} or more, or leave it out."
        )
    yield (
        f"Intervals: on these products, {count(matrix.replicates)} bootstrap draws over "
        f"{count(matrix.images)} images (seed {matrix.seed}); on new products, jackknife over products, "
        "by t. Each is for one pair alone. Subtasks by pair stand in --json."
    )


def audit_models_table(parts: Sequence[AuditPart]) -> Table:
    """Models down, parts of the questions across: percent right on average."""
    return Table(
        "Percent right of each part of the questions, mean over datasets, rule fixed",
        (
            corner("Model", "model"),
            *(TableColumn(f"{part.name} ({count(part.questions)})") for part in parts),
        ),
        tuple(
            table_row(score.arm, (estimate_cell(part.scores[place].columns[-1], percent) for part in parts))
            for place, score in enumerate(parts[0].scores)
        ),
        legend="below each its 95 % interval on these products",
    )
