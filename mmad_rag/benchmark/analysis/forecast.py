"""Say before a run what it will ask, cost and be able to show."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any, TypeAlias

from mmad_rag.benchmark.analysis.circular import circular_subset
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.data.selection import Selection
from mmad_rag.benchmark.run.reader import HEADER_FILE, questions_sha256, read_run
from mmad_rag.benchmark.run.records import Run, RunHeader, refuse_another
from mmad_rag.benchmark.run.run_arms import RunResult
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.stats.power import DISCORDANCE, MinimumDetectableEffect, detectable_gains
from mmad_rag.errors import DataError
from mmad_rag.models.dry_run import COUNTING
from mmad_rag.models.prices import Price
from mmad_rag.records import Outcome, Question, Usage

SAMPLED = 60
"""Questions on which token counts are measured."""

DryRun: TypeAlias = Callable[[RunSettings, Path], Coroutine[Any, Any, RunResult]]
"""Runs under these settings into a folder with a model that only counts, see `CountingModel`."""


@dataclass(frozen=True, slots=True)
class ArmForecast:
    """What one arm will take."""

    arm: str
    """Its name."""
    requests: int
    """All of them, further orders of circular evaluation included."""
    left: int
    """Requests without a reply in the run folder so far."""
    input_tokens: int
    """Estimated tokens of the prompts of those requests, summed."""
    output_tokens: int
    """Assumed tokens of their replies, summed."""
    usd: float | None
    """What those left cost; None where the price is not known."""


@dataclass(frozen=True, slots=True)
class BudgetForecast:
    """What a sum of money buys."""

    usd: float
    """The sum."""
    limit: int
    """So many questions, in every arm: what `--limit` should be."""
    gains: tuple[MinimumDetectableEffect, ...]
    """What these can show, by the sample that `--limit` draws; empty where the sum buys none."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """A run, before it is paid for."""

    questions: int
    """How many are asked of each arm."""
    sampled: int
    """Number of questions whose tokens were counted."""
    arms: tuple[ArmForecast, ...]
    """Forecasts of the arms, in the run's order."""
    price: Price | None
    """What was reckoned with."""
    discordance: float
    """Share of questions on which arms are assumed to disagree, see `power`."""
    gains: tuple[MinimumDetectableEffect, ...]
    """The smallest gain that each column can show."""
    budget: BudgetForecast | None
    """None where no sum was named, or no price is known."""

    @property
    def usd(self) -> float | None:
        """All arms together."""
        known = [arm.usd for arm in self.arms if arm.usd is not None]
        return sum(known) if len(known) == len(self.arms) else None


async def forecast(
    benchmark: Benchmark,
    settings: RunSettings,
    dry_run: DryRun,
    *,
    out: Path,
    price: Price | None,
    budget: float | None = None,
    discordance: float = DISCORDANCE,
) -> Forecast:
    """Forecast a run.

    Tokens are counted on `SAMPLED` of its questions: the arms are composed as they will be, retrieval
    included, around a model that counts.

    Args:
        benchmark: The questions, best without those of the settings' errata: each sample would look for them.
        settings: The protocol of the run.
        dry_run: Runs a sample.
        out: The run folder; what is answered there already is not asked again.
        price: None leaves the cost out.
        budget: US dollars.
        discordance: Share of questions on which arms are assumed to disagree, see `power`.

    Raises:
        DataError: no sampled question could be shown, or the folder holds another run, or a damaged one.
    """
    selection = settings.select(benchmark)

    def sample(size: int) -> Selection:
        return dataclasses.replace(settings, limit=size).select(benchmark)

    with tempfile.TemporaryDirectory() as scratch:
        fewer = dataclasses.replace(settings, limit=min(SAMPLED, len(selection.questions)))
        result = await dry_run(fewer, Path(scratch) / "dry")
        counted = read_run(result.folder)
    kept = _kept(out, result.header, selection) if (out / HEADER_FILE).exists() else None
    names = [arm.name for arm in result.header.arms]
    header = result.header

    def requests_of(questions: Sequence[Question]) -> int:
        circular = circular_subset(questions, header.circular, header.circular_seed)
        return sum(len(item.choices) if item.id in circular else 1 for item in questions)

    each = {name: _mean_usage(counted, name) for name in names}
    requests = requests_of(selection.questions)
    arms = tuple(_arm(name, requests, kept, each[name], price) for name in names)
    gains = detectable_gains(selection.questions, discordance=discordance)
    bought = None
    if budget is not None and price is not None:
        usd = sum(_cost(price, *each[name]) for name in names)
        bought = _bought(budget, usd, selection, sample, requests_of=requests_of, discordance=discordance)
    sampled = len(counted.questions)
    return Forecast(len(selection.questions), sampled, arms, price, discordance, gains, bought)


def _kept(out: Path, dry: RunHeader, selection: Selection) -> Run:
    """The run in the folder, refused as the run itself would refuse it."""
    arms = tuple(
        dataclasses.replace(
            arm, identity=arm.identity.replace(COUNTING, ""), model=arm.model.replace(COUNTING, "")
        )
        for arm in dry.arms
    )
    wanted = dataclasses.replace(
        dry,
        arms=arms,
        questions=len(selection.questions),
        questions_sha256=questions_sha256(selection.questions),
    )
    run = read_run(out)
    refuse_another(run.header, wanted, out, passing_over={"hard_sha256"})
    return run


def _mean_usage(run: Run, arm: str) -> tuple[float, float]:
    """Tokens of a request and of its reply."""
    usages = [row.usage for row in (*run.rows, *run.rotated) if row.arm == arm and row.usage is not None]
    if not usages:
        errors = sorted({row.error for row in run.rows if row.error}) or ["no reason is known"]
        raise DataError(f"no question of the sample could be shown in the arm {arm}: {errors[0]}")
    return mean(usage.prompt_tokens for usage in usages), mean(usage.completion_tokens for usage in usages)


def _arm(
    name: str, requests: int, kept: Run | None, each: tuple[float, float], price: Price | None
) -> ArmForecast:
    rows: Sequence[Any] = () if kept is None else (*kept.rows, *kept.rotated)
    answered = sum(row.arm == name and row.outcome is not Outcome.FAILED for row in rows)
    left = max(0, requests - answered)
    usd = None if price is None else left * _cost(price, *each)
    return ArmForecast(name, requests, left, round(left * each[0]), round(left * each[1]), usd)


def _cost(price: Price, shown: float, replied: float) -> float:
    return price.cost_of(Usage(round(1e6 * shown), round(1e6 * replied))) / 1e6


def _bought(
    budget: float,
    per_request: float,
    selection: Selection,
    sample: Callable[[int], Selection],
    *,
    requests_of: Callable[[Sequence[Question]], int],
    discordance: float,
) -> BudgetForecast:
    """The largest sample that the sum pays for; a larger sample holds a smaller one, so it costs no less."""
    affordable, too_many = 0, len(selection.questions) + 1
    while too_many - affordable > 1:
        size = (affordable + too_many) // 2
        if per_request * requests_of(sample(size).questions) <= budget:
            affordable = size
        else:
            too_many = size
    drawn = sample(affordable).questions if affordable else ()
    columns = columns_of(selection.questions)
    gains = detectable_gains(drawn, columns=columns, discordance=discordance) if drawn else ()
    return BudgetForecast(budget, affordable, gains)
