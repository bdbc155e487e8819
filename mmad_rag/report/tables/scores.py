"""Scores of arms and answers files as tables, with what stands behind them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mmad_rag.benchmark.analysis.arm_scores import ArmScore
from mmad_rag.benchmark.analysis.compare import ArmRates, Comparison
from mmad_rag.benchmark.analysis.knowledge_value import ProductSpecificGain
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.dataset_names import COUNTS_AS
from mmad_rag.benchmark.data.question_sets import columns_named, headings_of
from mmad_rag.benchmark.score.table import DetectionRates, ScoreTable
from mmad_rag.report.tables.numbers import count, fine_percent, interval, percent, points
from mmad_rag.report.tables.table import (
    Table,
    TableCell,
    TableColumn,
    TableRow,
    corner,
    estimate_cell,
    table_row,
)

AS_THE_SCRIPT_READS = "as the official script reads this file"
"""The reading of `strict-mmad` that takes every first component of a path for a dataset."""
COMPARABLE = "comparable with published tables"
"""The reading of `strict-mmad` with one row per dataset."""


def readings_of(table: ScoreTable) -> Iterator[tuple[str, ScoreTable]]:
    """The tables of one arm or answers file, each with the name of its reading; one without a name where
    both readings are alike."""
    if table.comparable is None:
        yield "", table
    else:
        yield AS_THE_SCRIPT_READS, table
        yield COMPARABLE, table.comparable


def score_table(table: ScoreTable, title: str, reading: str = "") -> Table:
    """One arm or answers file: datasets down, subtasks across, percent in the cells."""
    rows = (table_row(row.name, (fine_percent(cell.percent) for cell in row.cells)) for row in table.rows)
    named = ", ".join(filter(None, (title, f"rule {table.rule}", reading)))
    return Table(
        f"{named}: {table.counted} of {table.questions} answers counted",
        (corner("dataset"), *score_columns(table.columns)),
        tuple(rows),
    )


def detection_line(table: ScoreTable) -> str | None:
    """Overkill and miss rate of the detection column: the mean over datasets, then each of them.

    None for questions that do not ask for defects.
    """
    if not table.detection:
        return None
    *rows, average = table.detection
    columns = columns_named(table.columns[:-1])
    heading = columns.headings[columns.detection or AVERAGE]
    shown = f"{heading}: overkill {fine_percent(average.overkill)} %, miss {fine_percent(average.miss)} %"
    if len(rows) == 1:
        return shown
    each = (f"{row.name} {fine_percent(row.overkill)} and {fine_percent(row.miss)}" for row in rows)
    return f"{shown}, the mean of {', '.join(each)}"


def score_notes(table: ScoreTable) -> Iterator[str]:
    """What stands behind a table: answers that could not be read, never came, or are not counted."""
    total = table.cell(AVERAGE, AVERAGE)
    if total.invalid or total.failed:
        yield f"{total.invalid} invalid and {total.failed} failed of {total.n} answers count as wrong"
    if table.counted < table.questions:
        lost = table.questions - table.counted
        yield f"{lost} of {table.questions} answers are not counted, as in MMAD's script; see --rule fixed"
    if table.comparable is not None:
        rows = {row.name for row in table.rows}
        apart = (f"{name} apart from {counted}" for name, counted in COUNTS_AS.items() if name in rows)
        counted_as_one = table.comparable.cell(AVERAGE, AVERAGE)
        yield (
            f"MMAD's script counts {' and '.join(apart)}, which published tables take as one dataset: the "
            f"average is {fine_percent(total.percent)} that way and {fine_percent(counted_as_one.percent)} so"
        )


def arms_table(
    tables: Sequence[tuple[str, ScoreTable]],
    comparisons: Sequence[Comparison] = (),
    *,
    scores: Sequence[ArmScore] = (),
    where: str = "",
) -> Table:
    """Every arm of a run, macro-averaged over datasets, then what each changes with its 95 % intervals.

    Args:
        tables: Arm and its scores by the rule `fixed`.
        comparisons: What follows the arms.
        scores: The same scores with their intervals, for the columns to show; empty: all columns without.
        where: Says which questions these are, when they are not all.
    """
    columns = [item.column for item in scores[0].columns] if scores else list(tables[0][1].columns)
    known = {score.arm: {item.column: item for item in score.columns} for score in scores}

    def score_cell(arm: str, table: ScoreTable, column: str) -> TableCell:
        if arm in known:
            return estimate_cell(known[arm].get(column), percent)
        return TableCell(percent(table.cell(AVERAGE, column).percent))

    arms = (table_row(arm, (score_cell(arm, table, column) for column in columns)) for arm, table in tables)
    what = f"{count(tables[0][1].questions)} questions {where}".rstrip()
    return Table(
        f"Percent right of {what}, mean over datasets, rule fixed",
        (corner("Arm", "arm"), *score_columns(columns)),
        (*arms, *(_gain_row(comparison, columns) for comparison in comparisons)),
        legend="below each its 95 % interval on these products" if scores else "",
    )


def _gain_row(comparison: Comparison, columns: Sequence[str]) -> TableRow:
    found = {item.column: item for item in comparison.columns}
    cells = (
        estimate_cell(found[column].estimate, points, elsewhere=found[column].estimate_elsewhere, both=True)
        if column in found
        else estimate_cell(None, points)
        for column in columns
    )
    return table_row(f"{comparison.arm.arm} - {comparison.baseline.arm}", cells, apart=True)


def datasets_table(tables: Sequence[tuple[str, ScoreTable]]) -> Table:
    """Arms down, datasets across: the mean over subtasks."""
    names = [row.name for row in tables[0][1].rows]
    rows = (
        table_row(arm, (percent(table.cell(name, AVERAGE).percent) for name in names))
        for arm, table in tables
    )
    title = "Percent right by dataset, mean over subtasks"
    return Table(title, (corner("Arm", "arm"), *map(TableColumn, names)), tuple(rows))


def detection_table(tables: Sequence[tuple[str, ScoreTable]]) -> Table | None:
    """Arms down: how often a good piece is called defective, and a defective one good.

    None for questions that do not ask for defects.
    """
    if not tables[0][1].detection:
        return None
    column = columns_named(tables[0][1].columns[:-1]).detection
    names = [rates.name for rates in tables[0][1].detection]
    headings = (f"{name}: {rate}" for name in names for rate in ("overkill", "miss"))
    return Table(
        f"{column}: overkill (good pieces called defective) and miss rate (defective called good), percent",
        (corner("Arm", "arm"), *map(TableColumn, headings)),
        tuple(
            table_row(arm, (cell for rates in table.detection for cell in _detection(rates)))
            for arm, table in tables
        ),
    )


def _detection(rates: DetectionRates) -> tuple[TableCell, TableCell]:
    alarms = f"{count(rates.false_alarms)} of {count(rates.normal)}"
    misses = f"{count(rates.misses)} of {count(rates.abnormal)}"
    return (
        TableCell(percent(rates.overkill), notes=(alarms,)),
        TableCell(percent(rates.miss), notes=(misses,)),
    )


def specific_table(values: Sequence[ProductSpecificGain], title: str) -> Table:
    """What two bases are worth beyond the words that any product's text shares with the options."""
    return Table(
        title,
        (corner("base"), *score_columns([value.column for value in values])),
        (
            table_row("this", (points(value.base) for value in values)),
            table_row("other", (points(value.baseline) for value in values)),
            table_row("this - other", (estimate_cell(value.estimate, points) for value in values)),
        ),
    )


def arms_notes(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """How to read the table: intervals, flips, and what could not be read."""
    for comparison in comparisons:
        average = next(item for item in comparison.columns if item.column == AVERAGE)
        reach = interval(average.low, average.high, points, otherwise="[-, -]")
        yield (
            f"{comparison.arm.arm} against {comparison.baseline.arm}: {points(average.difference)} points "
            f"{reach} on average; "
            f"{average.wrong_to_right} answers turn right, {average.right_to_wrong} turn wrong"
        )
    if comparisons:
        yield draws_note(comparisons[0])
    for rates in _rates(comparisons):
        lost = f"{rates.invalid} invalid and {rates.failed} failed replies"
        yield f"{rates.arm}: {lost} of {rates.questions} count as wrong"


def draws_note(comparison: Comparison) -> str:
    """The source of the intervals on these products."""
    return (
        f"Intervals: for these products, {count(comparison.replicates)} bootstrap draws over "
        f"{count(comparison.images)} images (seed {comparison.seed})."
    )


def _rates(comparisons: Sequence[Comparison]) -> tuple[ArmRates, ...]:
    """Every arm once, only those that lost something."""
    rates = {side.arm: side for comparison in comparisons for side in (comparison.baseline, comparison.arm)}
    return tuple(side for side in rates.values() if side.invalid or side.failed)


def score_columns(names: Sequence[str]) -> tuple[TableColumn, ...]:
    """A column of numbers for each subtask, and for `Average`."""
    headings = headings_of(names)
    return tuple(TableColumn(name, headings[name]) for name in names)
