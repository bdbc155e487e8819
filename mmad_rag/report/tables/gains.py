"""Turn a run's summary into tables of a page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmad_rag.benchmark.analysis.arm_scores import ArmLevel
from mmad_rag.benchmark.analysis.circular import CircularScore
from mmad_rag.benchmark.analysis.compare import Comparison
from mmad_rag.benchmark.analysis.cost import ArmCost, CostPerPoint, Spending
from mmad_rag.benchmark.analysis.decompose import Decomposition
from mmad_rag.benchmark.analysis.subsets import Subset
from mmad_rag.benchmark.analysis.summary import RoutingCounts
from mmad_rag.benchmark.data.question_sets import columns_named
from mmad_rag.benchmark.score.first_token_score import SecondReading
from mmad_rag.benchmark.score.table import AVERAGE, DetectionRates, ScoreTable
from mmad_rag.benchmark.stats.jackknife import NewProducts
from mmad_rag.report.tables.scores import points
from mmad_rag.report.tables.table import NOTHING, Cell, Grid, GridRow, percent, within

UNTOLD = "not told"
"""The verdict where the products measured cannot tell."""


def levels_grid(levels: Sequence[ArmLevel], questions: int) -> Grid:
    """Arms down, subtasks across, each score with its interval on these products."""
    rows = (
        _row(
            level.arm,
            (Cell(percent(item.percent), within(item.low, item.high, percent)) for item in level.columns),
        )
        for level in levels
    )
    return Grid(
        f"Percent right of {questions:,} questions, mean over datasets, 95 % intervals on these products",
        "Arm",
        tuple(item.column for item in levels[0].columns),
        tuple(rows),
    )


def datasets_grid(tables: Sequence[tuple[str, ScoreTable]]) -> Grid:
    """Arms down, datasets across: the mean over subtasks."""
    names = tuple(row.name for row in tables[0][1].rows)
    rows = (
        _row(arm, (Cell(percent(table.cell(name, AVERAGE).percent)) for name in names))
        for arm, table in tables
    )
    return Grid("Percent right by dataset, mean over subtasks", "Arm", names, tuple(rows))


def gain_grid(comparison: Comparison) -> Grid:
    """Subtasks down: what an arm changes, what it amounts to on these products, and on new ones."""
    rows = []
    for item in comparison.columns:
        new = item.new_products
        rows.append(
            _row(
                item.column,
                (
                    Cell(f"{item.questions:,}"),
                    Cell(percent(item.baseline)),
                    Cell(percent(item.arm)),
                    Cell(points(item.difference), within(item.low, item.high, points)),
                    Cell(str(item.verdict), _chance(item.adjusted_p)),
                    Cell(NOTHING)
                    if new is None
                    else Cell(points(item.difference), within(new.low, new.high, points)),
                    Cell(UNTOLD) if new is None else Cell(str(new.verdict), _chance(new.adjusted_p)),
                    Cell(f"{item.wrong_to_right:,}"),
                    Cell(f"{item.right_to_wrong:,}"),
                ),
            )
        )
    pair = f"{comparison.arm.arm} against {comparison.baseline.arm}"
    return Grid(
        f"{pair}: points gained, with 95 % intervals",
        "Subtask",
        (
            "Questions",
            comparison.baseline.arm,
            comparison.arm.arm,
            "Gain on these products",
            "Verdict on these products",
            "Gain on new products",
            "Verdict on new products",
            "Turned right",
            "Turned wrong",
        ),
        tuple(rows),
    )


def decomposition_grid(decomposition: Decomposition) -> Grid:
    """Effects down, subtasks across, each with both intervals; then the break-even point."""
    rows = [
        _row(
            Cell(effect.name, (effect.formula,)),
            (
                Cell(points(item.value), (*within(item.low, item.high, points), *_new(item.new_products)))
                for item in effect.columns
            ),
        )
        for effect in decomposition.effects
    ]
    if decomposition.break_even:
        cells = (
            Cell(_whole(item.percent, NOTHING), (f"[{_whole(item.low, '-∞')}, {_whole(item.high, '∞')}]",))
            for item in decomposition.break_even
        )
        head = Cell("break-even routing", ("% of images to be routed rightly",))
        rows.append(_row(head, cells))
    return Grid(
        "Points; below each its 95 % interval on these products, then on new ones",
        "Effect",
        tuple(item.column for item in decomposition.effects[0].columns),
        tuple(rows),
    )


def detection_grid(tables: Sequence[tuple[str, ScoreTable]]) -> Grid | None:
    """Arms down: how often a good piece is called defective, and a defective one good.

    None for questions that do not ask for defects.
    """
    if not tables[0][1].detection:
        return None
    column = columns_named(tables[0][1].columns[:-1]).detection
    names = tuple(rates.name for rates in tables[0][1].detection)
    rows = (
        _row(arm, (cell for rates in table.detection for cell in _detection(rates))) for arm, table in tables
    )
    heads = (f"{name}: {rate}" for name in names for rate in ("overkill", "miss"))
    return Grid(
        f"{column}: overkill (good pieces called defective) and miss rate (defective called good), percent",
        "Arm",
        tuple(heads),
        tuple(rows),
    )


def routing_grid(routing: Sequence[RoutingCounts]) -> Grid:
    """Arms down: where their images were routed."""
    rows = (
        _row(
            item.arm,
            (
                Cell(f"{count:,}")
                for count in (item.images, item.right, item.near_tie, item.wrong, item.unknown)
            ),
        )
        for item in routing
    )
    heads = ("Pictures", "Right product", "Near-tie with it", "Wrong product", "Called unknown")
    return Grid("Images by what routing concluded", "Arm", heads, tuple(rows))


def subsets_grid(subsets: Sequence[Subset]) -> Grid:
    """Comparisons on parts of the questions, one per row."""
    rows = []
    for subset in subsets:
        for item in subset.comparisons:
            average = item.columns[-1]
            head = Cell(f"{item.arm.arm} against {item.baseline.arm}", (subset.name,))
            gain = Cell(points(average.difference), within(average.low, average.high, points))
            shown = (
                Cell(f"{subset.questions:,} of {subset.of_questions:,}"),
                Cell(percent(average.baseline)),
                Cell(percent(average.arm)),
                gain,
                Cell(str(average.verdict)),
            )
            rows.append(_row(head, shown))
    heads = ("Questions", "Baseline", "Arm", "Gain on these products", "Verdict on these products")
    return Grid("Averages on parts of the questions, with 95 % intervals", "Part", heads, tuple(rows))


def circular_grid(scores: Sequence[CircularScore]) -> Grid:
    """Arms down: who answers by content when the options are rotated."""
    rows = (
        _row(
            item.arm,
            (
                Cell(percent(item.first)),
                Cell(percent(item.every), within(item.low, item.high, percent)),
                Cell(percent(item.same)),
            ),
        )
        for item in scores
    )
    caption = f"Circular evaluation of {scores[0].questions:,} questions, percent of these"
    heads = ("Right in the first order", "Right in every order", "Same option in every order")
    return Grid(caption, "Arm", heads, tuple(rows))


def second_reading_grid(readings: Sequence[SecondReading]) -> Grid:
    """Arms down: scores by the reply's words beside scores by the first token."""
    rows = (
        _row(
            item.arm,
            (
                Cell(percent(item.by_words)),
                Cell(percent(item.by_first_token)),
                Cell(f"{item.alike:,}"),
                Cell(f"{item.invalid:,}"),
                Cell(f"{item.known:,} of {item.questions:,}"),
            ),
        )
        for item in readings
    )
    heads = ("By words", "By first token", "Read alike", "First token is not a choice", "Known")
    return Grid("Percent right by two readings of each reply", "Arm", heads, tuple(rows))


def spending_grid(found: Spending) -> Grid:
    """Arms down: what each has cost, and what a point gained has."""
    per_point = {item.arm: item for item in found.per_point}
    rows = (
        _row(
            arm.arm,
            (
                Cell(f"{arm.input_tokens:,}"),
                Cell(f"{arm.output_tokens:,}"),
                Cell(f"{arm.usd:,.2f}", _uncounted(arm)),
                _point_cell(per_point.get(arm.arm)),
            ),
        )
        for arm in found.arms
    )
    price = found.price
    caption = (
        f"Cost at {price.input:g} USD per million tokens in and {price.output:g} out, as of {price.as_of} "
        f"({price.source})"
    )
    return Grid(caption, "Arm", ("Tokens in", "Tokens out", "USD", "USD per point gained"), tuple(rows))


def _uncounted(arm: ArmCost) -> tuple[str, ...]:
    lacking = arm.replies - arm.counted
    return (f"{lacking:,} replies came without token counts",) if lacking else ()


def _point_cell(item: CostPerPoint | None) -> Cell:
    if item is None:
        return Cell(NOTHING)
    if item.per_point is None or item.low is None or item.high is None:
        return Cell(NOTHING, ("no gain that is certain",))
    return Cell(f"{item.per_point:.2f}", (f"[{item.low:.2f}, {item.high:.2f}]",))


def _row(head: str | Cell, cells: Iterable[Cell]) -> GridRow:
    return GridRow(head if isinstance(head, Cell) else Cell(head), tuple(cells))


def _new(found: NewProducts | None) -> tuple[str, ...]:
    return (UNTOLD,) if found is None else within(found.low, found.high, points)


def _chance(p_value: float | None) -> tuple[str, ...]:
    return () if p_value is None else ("p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}",)


def _detection(rates: DetectionRates) -> tuple[Cell, Cell]:
    return (
        Cell(percent(rates.overkill), (f"{rates.false_alarms:,} of {rates.normal:,}",)),
        Cell(percent(rates.miss), (f"{rates.misses:,} of {rates.abnormal:,}",)),
    )


def _whole(number: float | None, otherwise: str) -> str:
    return otherwise if number is None else f"{number:.0f}"
