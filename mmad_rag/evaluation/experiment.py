"""Prepare what an evaluation asks (questions, arms, prices, folder), then run or forecast it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.benchmark.data.errata import apply_errata
from mmad_rag.benchmark.data.mmad import Benchmark, load_questions
from mmad_rag.benchmark.data.selection import Selection
from mmad_rag.benchmark.run.arms import IMAGE_ARMS, INDEXLESS_ARMS, Arm, build_arms, check_arm_names
from mmad_rag.benchmark.run.budget import budget_of, check_sum
from mmad_rag.benchmark.run.settings import DEFAULT_SETTINGS, RunSettings
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.benchmark.stats.power import DISCORDANCE
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import DataError, InputError
from mmad_rag.evaluation.result import Evaluation, evaluation_of
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.data import IndexData
from mmad_rag.models import ModelOptions
from mmad_rag.models.adapt import ModelSource, as_model
from mmad_rag.models.dry_run import REPLY_TOKENS, CountingModel
from mmad_rag.models.prices import DEFAULT_IMAGES, Price, load_prices, price_of
from mmad_rag.rag import run_sync
from mmad_rag.retrieve import DEFAULT_BUDGET
from mmad_rag.retrieve.config import RetrievalConfig

if TYPE_CHECKING:
    from mmad_rag.benchmark.analysis.forecast import Forecast
    from mmad_rag.benchmark.audit.choose_hard import HardSubset

DEFAULT_ARMS = ("none", "rag")
"""The default arms: the baseline, and the model with knowledge."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that an evaluation needs, before any question is asked."""

    benchmark: Benchmark
    """The whole question file."""
    without_errata: Benchmark
    """The same without the questions of the errata."""
    selection: Selection
    """The questions that each arm will be asked."""
    arms: tuple[Arm, ...]
    """The conditions, in order."""
    settings: RunSettings
    """The protocol."""
    out: Path
    """The run folder."""
    prices: tuple[Price, ...]
    """Prices of models."""
    price: Price | None
    """Price of this model; None if it is not known."""
    notes: tuple[str, ...]
    """Notes to read before the run: questions that are left out, arms that will show nothing."""
    dry: bool = False
    """Whether the arms only count tokens, so that nothing can be asked."""

    def run(
        self,
        *,
        hard: Path | str | None = None,
        budget: float | None = None,
        concurrency: int = 8,
        retry_empty: bool = False,
        progress: Callable[[RunProgress], None] | None = None,
    ) -> Evaluation:
        """Ask every question without an outcome in the folder, and summarize what the folder then holds.

        Arguments and errors are those of `evaluate`.
        """
        from mmad_rag.benchmark.run.run_arms import run_arms

        if self.dry:
            raise InputError("a dry run asks nothing; prepare the experiment without dry_run=True")
        allowed = budget_of(budget, self.price)
        subset = hard_subset_for(self.benchmark, self.out, None if hard is None else Path(hard))
        result = run_sync(
            run_arms(
                self.without_errata, self.arms, out=self.out, settings=self.settings, hard=subset,
                budget=allowed, concurrency=concurrency, retry_empty=retry_empty, progress=progress,
            )
        )  # fmt: skip
        return evaluation_of(
            result,
            budget=budget,
            prices=self.prices,
            seed=self.settings.seed,
            data=self.benchmark.root,
            notes=self.notes,
        )

    def forecast(self, *, budget: float | None = None, discordance: float = DISCORDANCE) -> Forecast:
        """Forecast what the run will ask, cost and be able to show; the arms must be those of a dry run.

        Args:
            budget: US dollars, for which the forecast says what they pay for.
            discordance: Share of questions on which arms are assumed to disagree.

        Raises:
            InputError: the arms are not those of a dry run: they would ask the model.
            DataError: the folder holds another run, or no question could be shown.
        """
        from mmad_rag.benchmark.analysis.forecast import forecast
        from mmad_rag.benchmark.run.run_arms import RunResult, run_arms

        if not self.dry:
            raise InputError("a forecast asks nothing; prepare the experiment with dry_run=True")
        check_sum(budget)

        async def dry_run(settings: RunSettings, folder: Path) -> RunResult:
            return await run_arms(self.without_errata, self.arms, out=folder, settings=settings)

        return run_sync(
            forecast(
                self.without_errata, self.settings, dry_run, out=self.out, price=self.price, budget=budget,
                discordance=discordance,
            )
        )  # fmt: skip


def prepare(
    data: Path | str,
    model: ModelSource,
    index: IndexData | Path | str | None = None,
    *,
    arms: Sequence[str] = DEFAULT_ARMS,
    settings: RunSettings = DEFAULT_SETTINGS,
    tokens: int = DEFAULT_BUDGET,
    context: int | None = None,
    encoder: Encoder | str | None = None,
    model_name: str | None = None,
    options: ModelOptions | None = None,
    out: Path | str | None = None,
    prices: Path | str | None = None,
    dry_run: bool = False,
    reply_tokens: int = REPLY_TOKENS,
) -> Experiment:
    """Load what an evaluation needs; arguments and errors are those of `evaluate`.

    Args:
        dry_run: Whether the arms use a model that only counts tokens: neither weights nor a key are needed,
            and `Experiment.forecast` forecasts the cost of the run.
        reply_tokens: Assumed length of a reply in a dry run, in tokens.
    """
    given = arms.split(",") if isinstance(arms, str) else arms
    names = [name.strip() for name in given if name.strip()]
    check_arm_names(names)
    benchmark = load_questions(Path(data))
    without_errata, notes = benchmark, []
    for name in dict.fromkeys(settings.errata):
        whole, without_errata = without_errata, apply_errata(without_errata, [name])
        notes.append(_erratum_note(name, whole, without_errata))
    selection = settings.select(without_errata)
    asked = as_model(model, model_name=model_name, options=options, asks=not dry_run)
    table = load_prices(None if prices is None else Path(prices))
    price = price_of(asked.identity, table)
    spec = model if isinstance(model, str) else None
    folder = default_folder(Path(data), spec or asked.identity) if out is None else Path(out)
    knowledge = _index(index) if set(names) - INDEXLESS_ARMS else None
    retrieval = RetrievalConfig.for_model(asked, budget=tokens, encoder=encoder)
    if dry_run:
        images = DEFAULT_IMAGES if price is None else price.images
        asked = CountingModel(
            asked.identity, retrieval.counter, images, reply_tokens=reply_tokens, options=options
        )
    built = build_arms(names, asked, knowledge, retrieval=retrieval, context=context, seed=settings.seed)
    notes += _run_notes(benchmark.root, selection, built, images=settings.images)
    return Experiment(
        benchmark, without_errata, selection, built, settings, folder, table, price, tuple(notes), dry=dry_run
    )


def default_folder(data: Path, model: str) -> Path:
    """The default run folder of a model on data.

    Example:
        >>> default_folder(Path("/data/MMAD"), "openai:org/model").as_posix()
        'runs/MMAD-openai-org-model'
    """
    name = "-".join([data.resolve().name, *model.replace("/", "-").split(":")])
    return Path("runs") / re.sub(r"[\s,]+", "-", name)


def hard_subset_for(benchmark: Benchmark, folder: Path, given: Path | None) -> HardSubset:
    """The hard subset of a run: the given one, else the one that the run began with, else a new one.

    A new one is chosen with the knowledge shipped with the library, whatever index the run uses, so that it
    is the same for every run on the same questions.
    """
    from mmad_rag.benchmark.audit.choose_hard import choose_hard, read_hard
    from mmad_rag.benchmark.run.reader import HARD_FILE
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.knowledge.shipped import shipped_knowledge

    if given is not None:
        return read_hard(given)
    begun = folder / HARD_FILE
    with contextlib.suppress(DataError):  # a damaged file is written again if it holds the same subset
        if begun.exists() and (subset := read_hard(begun)).data_sha256 == benchmark.sha256:
            return subset
    return choose_hard(benchmark, load_knowledge(shipped_knowledge()))


def _index(index: IndexData | Path | str | None) -> IndexData | None:
    return index if index is None or isinstance(index, IndexData) else KnowledgeIndex.load(index)


def _erratum_note(name: str, whole: Benchmark, without: Benchmark) -> str:
    """The number of questions that an erratum removes."""
    before = len(whole.questions)
    left_out = before - len(without.questions)
    told = "" if left_out else "; this copy does not have it"
    return f"erratum {name}: {left_out} of {before:,} questions left out{told}"


def _run_notes(root: Path, selection: Selection, arms: Sequence[Arm], *, images: bool) -> Iterator[str]:
    """The arms that will show nothing, and the questions whose image has no file."""
    idle = [arm.name for arm in arms if arm.name in IMAGE_ARMS]
    if idle and not images:
        yield f"without images no product is found: {', '.join(idle)} will show no knowledge"
    if selection.missing_images:
        yield (
            f"{len(selection.missing_images)} images have no file in {root}: "
            f"{selection.missing_questions} questions about them are not asked"
        )
