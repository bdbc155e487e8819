"""Gather everything that a page says of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.analysis.compare import Comparison
from mmad_rag.benchmark.analysis.decompose import Effect
from mmad_rag.benchmark.analysis.endings import ending_lines
from mmad_rag.benchmark.analysis.failures import failure_lines, failures_of
from mmad_rag.benchmark.analysis.flips import FlipSample, find_flips
from mmad_rag.benchmark.analysis.summary import RunSummary
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.run.records import Run
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.errors import DataError
from mmad_rag.report.html.charts import Chart, Entry, dot_chart
from mmad_rag.report.html.facts import Fact, facts_of
from mmad_rag.report.html.thumbnail import Thumbnail, thumbnail
from mmad_rag.report.tables.gains import UNTOLD, decomposition_table, gain_table, subsets_table
from mmad_rag.report.tables.numbers import count, interval, percent, points, with_interval
from mmad_rag.report.tables.replies import (
    circular_table,
    replies_table,
    routing_counts_table,
    second_reading_table,
)
from mmad_rag.report.tables.scores import arms_table, datasets_table, detection_table, draws_note
from mmad_rag.report.tables.spending import spending_table
from mmad_rag.report.tables.table import Table
from mmad_rag.report.tables.verdicts import ON_NEW_PRODUCTS, WHY_UNTOLD, few_questions, verdict_rule


@dataclass(frozen=True, slots=True)
class Gain:
    """What one arm changes."""

    heading: str
    """E.g. `rag against none`."""
    sentence: str
    """The average in words."""
    chart: Chart
    table: Table
    first: bool
    """Whether it is the arm that the page is about."""


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that stands on a page."""

    title: str
    notices: tuple[str, ...]
    """What a reader must know before any number."""
    headline: str | None
    """What the arm in question is worth; None for a run without a comparison."""
    facts: tuple[Fact, ...]
    levels_chart: Chart
    levels: Table
    datasets: Table
    gains: tuple[Gain, ...]
    """The arm in question first; empty without a comparison."""
    notes: tuple[str, ...]
    """How intervals and verdicts come about."""
    decomposition_chart: Chart | None
    decomposition: Table | None
    """None where the arms tell no effect."""
    parts: Table | None
    """Comparisons on parts of the questions; None without one."""
    replies: Table
    failures: tuple[str, ...]
    """Why questions got no reply."""
    detection: Table | None
    """None for questions that do not ask for defects."""
    routing: Table | None
    """None where no arm routed."""
    extras: tuple[Table, ...]
    """Circular evaluation, the second reading and what was spent, where these are known."""
    flips: tuple[FlipSample, ...]
    """Turned right, turned wrong; empty without a comparison."""
    images: Mapping[str, Thumbnail]
    """Image path -> the image, of every question that is shown."""


def page_of(
    run: Run,
    summary: RunSummary,
    *,
    baseline: str,
    arm: str | None,
    data: Path | None,
    flips: int,
    seed: int,
    notices: Sequence[str],
) -> Page:
    """Gather what a page shows; see `page.render_page` for what the arguments are.

    Raises:
        DataError: the run has no such arm to compare.
    """
    chosen = _chosen(summary, baseline, arm)
    comparisons = sorted(summary.comparisons, key=lambda item: item is not chosen)
    samples: tuple[FlipSample, ...] = ()
    if chosen is not None:
        samples = find_flips(run, baseline, chosen.arm.arm, count=flips, seed=seed)
    folder = data if data is not None else Path(run.header.data)
    paths = {flip.question.image_path for sample in samples for flip in sample.flips}
    effects = summary.decomposition.effects
    parts = [part for part in (summary.hard, *summary.rightly_routed) if part and part.comparisons]
    failed = failures_of(run)
    total = len(run.rows) + len(run.rotated)
    return Page(
        title=f"{'Answers' if run.answers_file else 'Run'} {run.folder.resolve().name}",
        notices=(*notices, *ending_lines(summary.endings), *_image_notice(folder, bool(paths))),
        headline=None if chosen is None else _sentence(chosen),
        facts=tuple(facts_of(run)),
        levels_chart=_levels_chart(summary),
        levels=arms_table(summary.tables, scores=summary.levels),
        datasets=datasets_table(summary.tables),
        gains=tuple(_gain(item, first=item is chosen) for item in comparisons),
        notes=() if chosen is None else _notes(chosen),
        decomposition_chart=_effects_chart(effects) if effects else None,
        decomposition=decomposition_table(summary.decomposition) if effects else None,
        parts=subsets_table(parts) if parts else None,
        replies=replies_table(run),
        failures=tuple(failure_lines(failed, total)),
        detection=detection_table(summary.tables),
        routing=routing_counts_table(summary.routing) if summary.routing else None,
        extras=(
            *((circular_table(summary.circular),) if summary.circular else ()),
            *((second_reading_table(summary.second_reading),) if summary.second_reading else ()),
            *((spending_table(summary.spending),) if summary.spending is not None else ()),
        ),
        flips=samples,
        images={path: thumbnail(folder, path) for path in sorted(paths)},
    )


def _chosen(summary: RunSummary, baseline: str, arm: str | None) -> Comparison | None:
    by_arm = {comparison.arm.arm: comparison for comparison in summary.comparisons}
    if arm is None:
        return by_arm.get("rag", next(iter(by_arm.values()), None))
    if arm not in by_arm:
        known = f"it compares {', '.join(by_arm)} with it" if by_arm else "it compares nothing with it"
        raise DataError(f"the run has no arm {arm!r} beside the baseline {baseline!r}; {known}")
    return by_arm[arm]


def _image_notice(folder: Path, wanted: bool) -> tuple[str, ...]:
    if not wanted or folder.is_dir():
        return ()
    return (f"The data folder {folder} is not here, so the images are left out; --data says where it is.",)


def _gain(comparison: Comparison, *, first: bool) -> Gain:
    entries = [_entry(item.column, item.estimate, item.estimate_elsewhere) for item in comparison.columns]
    pair = f"{comparison.arm.arm} against {comparison.baseline.arm}"
    chart = dot_chart(f"Points gained by {pair} in each subtask", entries, signed=True)
    return Gain(pair, _sentence(comparison), chart, gain_table(comparison), first)


def _entry(label: str, here: Estimate, elsewhere: Estimate | None) -> Entry:
    return Entry(label, with_interval(here, points), here, elsewhere)


def _sentence(comparison: Comparison) -> str:
    average = comparison.columns[-1]
    new = average.new_products
    elsewhere = UNTOLD if new is None else f"{new.verdict} {interval(new.low, new.high, points)}"
    return (
        f"{comparison.arm.arm} against {comparison.baseline.arm}, on average: "
        f"{with_interval(average.estimate, points)} points. "
        f"On these products: {average.verdict}. On new products: {elsewhere}. "
        f"{count(average.wrong_to_right)} answers turn right, {count(average.right_to_wrong)} turn wrong."
    )


def _levels_chart(summary: RunSummary) -> Chart:
    entries = []
    for level in summary.levels:
        item = level.columns[-1]
        entries.append(Entry(level.arm, with_interval(item, percent), item))
    return dot_chart("Percent right by arm, with 95 % intervals", entries, signed=False)


def _effects_chart(effects: Sequence[Effect]) -> Chart:
    averages = [(effect.name, effect.columns[-1]) for effect in effects]
    entries = [_entry(name, item, item.estimate_elsewhere) for name, item in averages]
    return dot_chart("What the gain is made of, on average, in points", entries, signed=True)


def _notes(comparison: Comparison) -> tuple[str, ...]:
    small = [item.column for item in comparison.columns if item.small and item.column != AVERAGE]
    few = f" {few_questions(small)}." if small else ""
    return (
        f"{draws_note(comparison)} {ON_NEW_PRODUCTS}",
        f"{verdict_rule(comparison)} The p-values are the adjusted ones.{few}",
        f"{WHY_UNTOLD[0].upper()}{WHY_UNTOLD[1:]}.",
    )
