"""The result of an evaluation, and the ways to look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmad_rag.benchmark.analysis.compare import Comparison
from mmad_rag.benchmark.analysis.failures import Failure, failures_of
from mmad_rag.benchmark.analysis.flips import FlipSample, find_flips
from mmad_rag.benchmark.analysis.summary import RunSummary, compare_run, summarise
from mmad_rag.benchmark.run.reader import answered_part, read_run
from mmad_rag.benchmark.run.records import OutcomeRow, Run
from mmad_rag.benchmark.run.run_arms import RunResult
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.errors import DataError, ExtraError
from mmad_rag.evaluation.shown_table import ShownTable
from mmad_rag.models.prices import Price
from mmad_rag.records import Outcome, Question

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, slots=True, repr=False)
class Evaluation:
    """A run that has ended and been summarized.

    Example:
        >>> found = evaluate("MMAD", "openai:gpt-4o", "indexes/default")  # doctest: +SKIP
        >>> found.compare()[0].columns[-1].difference                     # doctest: +SKIP
        6.4
    """

    run: Run
    """Questions and rows of the run folder; after a stop only the questions that every arm answered."""
    summary: RunSummary
    """Scores, comparisons, the parts of the gain, routing and cost."""
    progress: RunProgress
    """Numbers of outcomes: all, those kept from before, and failed ones."""
    data: Path
    """The data folder."""
    seed: int = 0
    """Seed for the bootstrap and for sampling flips."""
    notes: tuple[str, ...] = ()
    """Notes to read before any number: questions that were left out, a budget that was used up."""
    stopped: bool = False
    """Whether the budget was used up before all questions were asked."""
    spent_usd: float | None = None
    """What the run has cost so far; None for a run without a budget."""

    def __repr__(self) -> str:
        arms = ", ".join(arm for arm, _ in self.summary.tables)
        return f"<Evaluation {self.folder}: {len(self.run.questions):,} questions in the arms {arms}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder

    def table(self) -> ShownTable:
        """Percent of right answers in every arm, then each arm's difference to the baseline, with 95 %
        intervals."""
        from mmad_rag.report.tables.scores import arms_table

        return ShownTable(arms_table(self.summary.tables, self.summary.comparisons))

    def compare(self, baseline: str = "none") -> tuple[Comparison, ...]:
        """Every other arm compared with a baseline, in the order of the run; empty for a run without `none`.

        Raises:
            DataError: the run has no such arm.
        """
        if baseline == "none":
            return self.summary.comparisons
        return compare_run(self.run, baseline, seed=self.seed)

    def failures(self) -> tuple[Failure, ...]:
        """The reasons why questions got no reply, the most frequent first."""
        return failures_of(self.run)

    def flips(
        self, arm: str | None = None, *, baseline: str = "none", count: int = 8
    ) -> tuple[FlipSample, FlipSample]:
        """Questions that turned right from a baseline to an arm, and questions that turned wrong.

        Args:
            arm: None takes `rag`, or else the first other arm.
            baseline: Name of the arm to compare with.
            count: Number of questions to sample of each kind, 0 or more.

        Raises:
            DataError: the run does not have these two arms.
        """
        arms = [found.name for found in self.run.header.arms]
        others = [name for name in arms if name != baseline]
        if arm is None and others:
            arm = "rag" if "rag" in others else others[0]
        if baseline not in arms or arm not in others:
            raise DataError(
                f"the run {self.folder} has no arms {baseline!r} and {arm!r} to compare; "
                f"it has {', '.join(arms)}"
            )
        return find_flips(self.run, baseline, arm, count=count, seed=self.seed)

    def report(self, path: Path | str | None = None, *, arm: str | None = None, flips: int = 8) -> Path:
        """Write everything as one self-contained HTML page.

        Args:
            path: None takes `report.html` in the run folder.
            arm: The arm that the page is about; None takes `rag`, or else the first other arm.
            flips: Number of questions to show that turned right, and of those that turned wrong.

        Returns:
            The path of the page.

        Raises:
            DataError: the run has no such arm, the path holds something other than a page, or it cannot be
                written.
        """
        from mmad_rag.report.html.page import PAGE_FILE, render_page, write_page

        target = self.folder / PAGE_FILE if path is None else Path(path)
        html = render_page(
            self.run, self.summary, arm=arm, data=self.data, flips=flips, seed=self.seed, notices=self.notes
        )
        write_page(html, target)
        return target

    def to_pandas(self) -> DataFrame:
        """A data frame with one row per question and arm: the question, the reply, and the knowledge shown.

        Raises:
            ExtraError: pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise ExtraError(
                "a data frame needs the package pandas, which is not installed; `pip install pandas`"
            ) from None
        asked = {question.id: question for question in self.run.questions}
        rows = [_cells(asked[row.question], row) for row in self.run.rows]
        return DataFrame(rows, columns=_COLUMNS)


_COLUMNS = (
    *("question", "image", "dataset", "product", "label", "subtask", "text", "answer", "arm", "outcome"),
    *("correct", "letter", "reply", "route", "routed_products", "confidence", "passages"),
    *("finish", "prompt_tokens", "completion_tokens", "latency_s", "error"),
)


def _cells(question: Question, row: OutcomeRow) -> tuple[object, ...]:
    """The row of a data frame, in the order of `_COLUMNS`."""
    usage = row.usage
    return (
        *(question.id, question.image_path, question.dataset, question.product, question.label),
        *(str(question.subtask), question.text, question.answer, row.arm, row.outcome.value),
        *(row.outcome is Outcome.CORRECT, row.letter, row.reply, row.route.value if row.route else None),
        *(row.products, row.confidence, row.passages),
        *(row.finish, usage.prompt_tokens if usage else None, usage.completion_tokens if usage else None),
        *(row.latency_s, row.error),
    )


def evaluation_of(
    result: RunResult,
    *,
    budget: float | None,
    prices: Sequence[Price],
    seed: int,
    data: Path,
    notes: Sequence[str],
) -> Evaluation:
    """Read the run that a result names, and summarize it.

    Args:
        result: The run that has ended.
        budget: US dollars that the run was limited to.
        prices: Prices of models.
        seed: Seed for the bootstrap and for sampling flips.
        data: The data folder.
        notes: Notes from before the run.

    Raises:
        DataError: the budget was used up before any question was answered in every arm.
    """
    run = read_run(result.folder)
    told = list(notes)
    if result.stopped:
        whole, run = len(run.questions), answered_part(run)
        told.append(
            f"stopped: {result.spent_usd:.4g} of {budget:g} USD are spent and another request might exceed "
            f"that; {len(run.questions)} of {whole} questions are answered in every arm. The same command "
            "with a larger --budget goes on"
        )
        if not run.questions:
            raise DataError(told[-1])
    return Evaluation(
        run,
        summarise(run, seed=seed, prices=prices),
        result.progress,
        data=data,
        seed=seed,
        notes=tuple(told),
        stopped=result.stopped,
        spent_usd=result.spent_usd,
    )
