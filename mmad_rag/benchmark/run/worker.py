"""Work through the questions of a run, several at a time, each outcome kept as it comes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mmad_rag.benchmark.analysis.circular import circular_subset
from mmad_rag.benchmark.data.draws import shown_choices
from mmad_rag.benchmark.data.mmad import Benchmark, TemplateKind, templates_of
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.budget import Budget, Purse
from mmad_rag.benchmark.run.grade import judged, writable
from mmad_rag.benchmark.run.image_cache import ImageCache
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.run.store import RunStore
from mmad_rag.errors import ImageError, ModelRetryError, ModelSetUpError
from mmad_rag.models import Model
from mmad_rag.prompt import prompt_digest
from mmad_rag.records import EncodedImage, Outcome, Passage, Prompt, Question, Reply


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run has come."""

    done: int
    """Requests that have an outcome, kept ones included: one per question, arm and order of the options."""
    total: int
    """All of them."""
    kept: int
    """Of those done: not asked again, the outcome was there already."""
    failed: int
    """Of those done: no reply came."""


@dataclass(frozen=True, slots=True)
class Task:
    """One request of a run."""

    question: Question
    """What is asked."""
    arm: Arm
    """Under which condition."""
    rotation: int
    """How many options are moved from the top to the end."""


class Asking:
    """What the workers of a run share.

    Args:
        benchmark: Where images and templates are found.
        store: Where outcomes go; its header says how to ask.
        questions: What is asked, in order.
        arms: Under which conditions, in order.
        budget: None sets no limit.
        progress: Called after every outcome.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        store: RunStore,
        questions: Sequence[Question],
        arms: Sequence[Arm],
        *,
        budget: Budget | None,
        progress: Callable[[RunProgress], None] | None,
    ) -> None:
        self.error: Exception | None = None
        """What stopped the run; raised by `run_arms` when all workers have finished."""
        self.stopped = False
        """Whether the budget was used up before everything was asked."""
        self.purse = Purse(budget, store.spent)
        """What the run has cost."""
        self._benchmark = benchmark
        self._store = store
        self._images = ImageCache(size=store.header.image_size)
        self._questions = questions
        self._arms = arms
        self._circular = circular_subset(questions, store.header.circular, store.header.circular_seed)
        self._total = sum(self._rotations(question) for question in questions) * len(arms)
        self._progress = progress
        self._outcomes: Counter[Outcome] = Counter()
        self._kept = 0

    def state(self) -> RunProgress:
        """How far the run has come."""
        return RunProgress(self._outcomes.total(), self._total, self._kept, self._outcomes[Outcome.FAILED])

    def tasks(self) -> Iterator[Task]:
        """Everything to ask: questions in order, the arms of one question right after one another."""
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
                outcome = await self._settle(task)
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

    async def _settle(self, task: Task) -> Outcome | None:
        """Keep the outcome that is there, or ask for one and record it; None where that is too dear."""
        model = task.arm.model_for(task.question)
        row = OutcomeRow(
            self._key(task, model, None),
            task.question.id,
            task.arm.name,
            Outcome.FAILED,
            rotation=task.rotation,
        )
        try:
            prompt = await self._prompt(task)
            digest = prompt_digest(prompt)
            row = dataclasses.replace(
                row, key=self._key(task, model, digest), prompt=digest, references=len(prompt.references)
            )
            kept = self._store.kept(row.question, row.arm, row.key, row.rotation)
            if kept is not None:
                self._kept += 1
                return kept
        except ImageError as error:
            return self._record(task, dataclasses.replace(row, error=writable(str(error))), None)
        if not await self.purse.reserve(task.arm.name):
            return None
        try:
            reply = await model.answer(prompt)
            return self._record(
                task, judged(row, task.question, reply, self._store.header.shuffle_options), reply
            )
        except (ImageError, ModelRetryError) as error:
            return self._record(task, dataclasses.replace(row, error=writable(str(error))), None)
        except ModelSetUpError as error:
            if not self._store.has_replies:
                raise
            return self._record(task, dataclasses.replace(row, error=writable(str(error))), None)
        finally:
            await self.purse.release(task.arm.name)

    def _record(self, task: Task, row: OutcomeRow, reply: Reply | None) -> Outcome:
        self._store.append(row, _shown(task.arm, reply))
        if reply is not None:
            self.purse.pay(task.arm.name, reply.usage)
        return row.outcome

    async def _prompt(self, task: Task) -> Prompt:
        """What every arm is shown, before retrieval."""
        header, question = self._store.header, task.question
        choices = shown_choices(question, header.shuffle_options, task.rotation)
        if not header.images:
            return Prompt(question.text, None, choices, wording=header.wording)
        image = await self._images.open(self._benchmark.root / question.image_path)
        references = await self._references(question, image)
        return Prompt(question.text, image, choices, references, wording=header.wording)

    async def _references(self, question: Question, image: EncodedImage) -> tuple[EncodedImage, ...]:
        shots, kind = self._store.header.shots, TemplateKind(self._store.header.templates)
        shown: list[EncodedImage] = []
        for path in templates_of(self._benchmark, question.image_path, kind) if shots else ():
            reference = await self._images.open(path)
            if reference.digest != image.digest:
                shown.append(reference)
            if len(shown) == shots:
                break
        return tuple(shown)

    def _key(self, task: Task, model: Model, digest: str | None) -> str:
        size = self._store.header.image_size
        parts = [task.question.id, task.arm.name, model.identity, digest, size, task.rotation]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _shown(arm: Arm, reply: Reply | None) -> list[Passage]:
    """The passages to keep the text of; neutral text has no id of its own."""
    if reply is None or reply.knowledge is None or arm.name == "filler":
        return []
    return [hit.passage for hit in reply.knowledge.hits]
