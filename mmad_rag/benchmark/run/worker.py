"""Work through the questions of a run, several at a time, and keep each outcome as it comes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.analysis.circular import circular_subset
from mmad_rag.benchmark.data.dataset_names import file_of
from mmad_rag.benchmark.data.draws import shown_choices
from mmad_rag.benchmark.data.mmad import Benchmark, templates_of
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.budget import Budget, BudgetTracker
from mmad_rag.benchmark.run.image_cache import ImageCache
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.run.step import PreparedTask, TaskResult, failed_result, run_task
from mmad_rag.benchmark.run.store import RunStore
from mmad_rag.errors import ImageError, ModelSetUpError
from mmad_rag.models import Model
from mmad_rag.prompt import prompt_digest
from mmad_rag.records import EncodedImage, Outcome, Prompt, Question


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run has come."""

    done: int
    """Requests that have an outcome, kept ones included: one per question, arm and rotation of the
    options."""
    total: int
    """Number of all requests."""
    kept: int
    """Requests among `done` that were not asked again, because their outcome was kept."""
    failed: int
    """Requests among `done` that got no reply."""


@dataclass(frozen=True, slots=True)
class Task:
    """One request of a run."""

    question: Question
    """The question to ask."""
    arm: Arm
    """The arm that is asked."""
    rotation: int
    """Number of options that are moved from the top to the end."""


class RunWorker:
    """Drives a run: prepares tasks, has them asked, and keeps their outcomes; its coroutines share it.

    The worker holds images, budget and store. A prepared task is run by `run_task`, which shares no state.

    Args:
        benchmark: The benchmark, whose folder holds images and templates.
        store: The store that outcomes are written to.
        questions: The questions, in order.
        arms: The arms, in order.
        settings: The protocol of the run.
        budget: What the run may cost; None sets no limit.
        progress: Called after every outcome.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        store: RunStore,
        questions: Sequence[Question],
        arms: Sequence[Arm],
        *,
        settings: RunSettings,
        budget: Budget | None,
        progress: Callable[[RunProgress], None] | None,
    ) -> None:
        self.error: Exception | None = None
        """The error that stopped the run; `run_arms` raises it when all workers have finished."""
        self.stopped = False
        """Whether the budget was used up before all questions were asked."""
        self.budget = BudgetTracker(budget, store.spent)
        """The cost of the run so far."""
        self._benchmark = benchmark
        self._store = store
        self._settings = settings
        self._images = ImageCache(size=settings.image_size)
        self._questions = questions
        self._arms = arms
        self._circular = circular_subset(questions, settings.circular, settings.circular_seed)
        self._total = sum(self._rotations(question) for question in questions) * len(arms)
        self._progress = progress
        self._outcomes: Counter[Outcome] = Counter()
        self._kept = 0

    def state(self) -> RunProgress:
        """How far the run has come."""
        return RunProgress(self._outcomes.total(), self._total, self._kept, self._outcomes[Outcome.FAILED])

    def tasks(self) -> Iterator[Task]:
        """Every request: questions in order, the arms of one question right after one another."""
        for question in self._questions:
            for rotation in range(self._rotations(question)):
                for arm in self._arms:
                    yield Task(question, arm, rotation)

    async def work(self, tasks: Iterator[Task]) -> None:
        """Take tasks until none is left, the budget is used up, or an error stops the run."""
        for task in tasks:
            if self.error is not None or self.stopped:
                return
            try:
                outcome = await self._outcome_of(task)
                if outcome is None:
                    self.stopped = True
                    return
                self._outcomes[outcome] += 1
                if self._progress is not None:
                    self._progress(self.state())
            except Exception as error:
                self.error = self.error or error
                return

    def _rotations(self, question: Question) -> int:
        return len(question.choices) if question.id in self._circular else 1

    async def _outcome_of(self, task: Task) -> Outcome | None:
        """Keep the outcome that exists, or ask for one and record it; None if the budget is used up."""
        try:
            prepared = await self._prepared(task)
        except ImageError as error:
            model = task.arm.model_for(task.question)
            row = self._blank_row(task, self._key(task, model, None))
            return self._record(task, failed_result(row, error))
        row = prepared.row
        kept = self._store.kept(row.question, row.arm, row.key, row.rotation)
        if kept is not None:
            self._kept += 1
            return kept
        if not await self.budget.reserve(task.arm.name):
            return None
        try:
            return self._record(task, await self._asked(prepared))
        finally:
            await self.budget.release(task.arm.name)

    async def _asked(self, prepared: PreparedTask) -> TaskResult:
        """Ask the model; after any reply the set-up is known to be right, and a set-up error fails one row
        only."""
        try:
            return await run_task(prepared)
        except ModelSetUpError as error:
            if not self._store.has_replies:
                raise
            return failed_result(prepared.row, error)

    def _record(self, task: Task, result: TaskResult) -> Outcome:
        self._store.append(result.row, result.passages)
        if result.row.reply is not None:
            self.budget.charge(task.arm.name, result.row.usage)
        return result.row.outcome

    async def _prepared(self, task: Task) -> PreparedTask:
        """The task with its images opened and its key computed.

        Raises:
            ImageError: an image cannot be read.
        """
        model, prompt = task.arm.model_for(task.question), await self._prompt(task)
        digest = prompt_digest(prompt)
        row = dataclasses.replace(
            self._blank_row(task, self._key(task, model, digest)),
            prompt=digest,
            references=len(prompt.references),
        )
        return PreparedTask(
            row,
            task.question,
            model,
            prompt,
            shuffle_options=self._settings.shuffle_options,
            keeps_passages=task.arm.keeps_passages,
        )

    async def _prompt(self, task: Task) -> Prompt:
        """The prompt that every arm shares, before retrieval."""
        settings, question = self._settings, task.question
        choices = shown_choices(question, settings.shuffle_options, task.rotation)
        if not settings.images:
            return Prompt(question.text, None, choices, wording=settings.wording)
        image = await self._images.open(file_of(self._benchmark.root, question.image_path))
        references = await self._references(question, image)
        return Prompt(question.text, image, choices, references, wording=settings.wording)

    async def _references(self, question: Question, image: EncodedImage) -> tuple[EncodedImage, ...]:
        shots, kind = self._settings.shots, self._settings.templates
        shown: list[EncodedImage] = []
        for path in templates_of(self._benchmark, question.image_path, kind) if shots else ():
            reference = await self._images.open(path)
            if reference.digest != image.digest:
                shown.append(reference)
            if len(shown) == shots:
                break
        return tuple(shown)

    def _blank_row(self, task: Task, key: str) -> OutcomeRow:
        return OutcomeRow(key, task.question.id, task.arm.name, Outcome.FAILED, rotation=task.rotation)

    def _key(self, task: Task, model: Model, digest: str | None) -> str:
        size = self._settings.image_size
        parts = [task.question.id, task.arm.name, model.identity, digest, size, task.rotation]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
