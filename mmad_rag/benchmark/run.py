"""Ask every arm every question, keeping each outcome as it comes.

Questions are taken in order, and the arms of one question right after one another, so that a provider's drift
hits all arms alike. At most `concurrency` questions are under way at a time, whatever the size of the run.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.arms import Arm
from mmad_rag.benchmark.judge import judged, writable
from mmad_rag.benchmark.mmad import Benchmark, TemplateKind, templates_of
from mmad_rag.benchmark.option_order import shown_choices
from mmad_rag.benchmark.outcomes import RUN_VERSION, ArmHeader, OutcomeRow, RunHeader
from mmad_rag.benchmark.parse import PARSER_VERSION
from mmad_rag.benchmark.pictures import PictureCache
from mmad_rag.benchmark.run_folder import questions_sha256
from mmad_rag.benchmark.selection import Selection
from mmad_rag.benchmark.store import RunStore
from mmad_rag.errors import DataError, ModelRetryError, PictureError, SpecError
from mmad_rag.models import Model
from mmad_rag.prompt import WORDINGS, prompt_digest
from mmad_rag.records import Outcome, Picture, Prompt, Question
from mmad_rag.version import __version__


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run has come."""

    done: int
    """Pairs of question and arm that have an outcome, kept ones included."""
    total: int
    """All pairs."""
    kept: int
    """Of those done: not asked again, the outcome was there already."""
    failed: int
    """Of those done: no reply came."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has come to its end."""

    folder: Path
    """Where its outcomes are."""
    header: RunHeader
    """What it is."""
    progress: RunProgress
    """How it ended."""


async def run_arms(
    benchmark: Benchmark,
    selection: Selection,
    arms: Sequence[Arm],
    *,
    out: Path,
    wording: str = "default",
    shots: int = 0,
    templates: TemplateKind = TemplateKind.RANDOM,
    shuffle_options: int | None = None,
    image_size: int | None = None,
    concurrency: int = 8,
    progress: Callable[[RunProgress], None] | None = None,
) -> RunResult:
    """Ask every arm every question of a selection; a run that was begun in `out` is continued.

    A question whose picture cannot be read, or to which no reply comes, is recorded as failed, and asked
    again when the run is continued. Any other error stops the run: what is under way is finished and kept,
    then the error is raised. Interrupted in any other way, only what was under way is asked again.

    Args:
        benchmark: Where pictures and templates are found.
        selection: What to ask.
        arms: The conditions, see `build_arms`.
        out: The run folder.
        wording: One of `mmad_rag.prompt.WORDINGS`.
        shots: Normal example pictures shown with each question, at most; those that are no file, or whose
            bytes are the query's, are passed over.
        templates: Which of an image's lists those are taken from.
        shuffle_options: Seed of the order in which options are shown, see `shown_choices`; None keeps the
            file's. Rows hold the file's letters in either case.
        image_size: Longest side that pictures are scaled down to; None leaves them as they are.
        concurrency: Questions under way at a time, at least 1.
        progress: Called after every outcome.

    Raises:
        DataError: the run folder cannot be used or written, or a number is out of range.
        SpecError: there is no such wording, or an arm cannot be composed for a question; nothing is asked.
        ModelActionError: a model can give no reply until the user acts.
    """
    if concurrency < 1 or shots < 0:
        raise DataError(
            f"a run cannot have a concurrency of {concurrency} and {shots} shots; give 1 and 0 or more"
        )
    if shots and not selection.pictures:
        raise DataError(f"a run without pictures cannot show {shots} example pictures; leave them out")
    if wording not in WORDINGS:
        raise SpecError(f"there is no wording {wording!r}; choose one of {', '.join(WORDINGS)}")
    if image_size is not None and image_size < 1:
        raise DataError(f"a picture cannot be scaled down to {image_size} pixels; give 1 or more")
    header = _header(
        benchmark, selection, arms, wording=wording, shots=shots, templates=templates,
        shuffle_options=shuffle_options, image_size=image_size,
    )  # fmt: skip
    for question in selection.questions:  # what cannot be asked is refused before anything is
        for arm in arms:
            arm.model_for(question)
    with RunStore(out, header, selection.questions) as store:
        asking = _Asking(benchmark, store, len(selection.questions) * len(arms), progress)
        pairs = ((question, arm) for question in selection.questions for arm in arms)
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(asking.work(pairs))
        if asking.error is not None:
            raise asking.error
        return RunResult(out, store.header, asking.state())


class _Asking:
    """What the workers of a run share."""

    def __init__(
        self,
        benchmark: Benchmark,
        store: RunStore,
        total: int,
        progress: Callable[[RunProgress], None] | None,
    ) -> None:
        self.error: Exception | None = None
        self._benchmark = benchmark
        self._store = store
        self._pictures = PictureCache(size=store.header.image_size)
        self._total = total
        self._progress = progress
        self._outcomes: Counter[Outcome] = Counter()
        self._kept = 0

    def state(self) -> RunProgress:
        return RunProgress(self._outcomes.total(), self._total, self._kept, self._outcomes[Outcome.FAILED])

    async def work(self, pairs: Iterator[tuple[Question, Arm]]) -> None:
        """Take pairs until none is left, or until an error stops the run."""
        for question, arm in pairs:
            if self.error is not None:
                return
            try:
                self._outcomes[await self._settle(question, arm)] += 1
                if self._progress is not None:
                    self._progress(self.state())
            except Exception as error:  # raised by run_arms, when the other workers have finished
                self.error = self.error or error
                return

    async def _settle(self, question: Question, arm: Arm) -> Outcome:
        """Keep the outcome that is there, or ask for one and record it."""
        model = arm.model_for(question)
        blank = OutcomeRow(self._key(question, arm, model, None), question.id, arm.name, Outcome.FAILED)
        try:
            prompt = await self._prompt(question)
            digest = prompt_digest(prompt)
            blank = dataclasses.replace(
                blank,
                key=self._key(question, arm, model, digest),
                prompt=digest,
                references=len(prompt.references),
            )
            kept = self._store.kept(question.id, arm.name, blank.key)
            if kept is not None:
                self._kept += 1
                return kept
            reply = await model.answer(prompt)
            row = judged(blank, question, reply, self._store.header.shuffle_options)
        except (PictureError, ModelRetryError) as error:
            row = dataclasses.replace(blank, error=writable(str(error)))
        self._store.append(row)
        return row.outcome

    async def _prompt(self, question: Question) -> Prompt:
        """What every arm is shown, before retrieval."""
        wording = self._store.header.wording
        choices = shown_choices(question, self._store.header.shuffle_options)
        if not self._store.header.pictures:
            return Prompt(question.text, None, choices, wording=wording)
        picture = await self._pictures.open(self._benchmark.root / question.image_path)
        references = await self._references(question, picture)
        return Prompt(question.text, picture, choices, references, wording=wording)

    async def _references(self, question: Question, picture: Picture) -> tuple[Picture, ...]:
        shots, kind = self._store.header.shots, TemplateKind(self._store.header.templates)
        shown: list[Picture] = []
        for path in templates_of(self._benchmark, question.image_path, kind) if shots else ():
            reference = await self._pictures.open(path)
            if reference.digest != picture.digest:
                shown.append(reference)
            if len(shown) == shots:
                break
        return tuple(shown)

    def _key(self, question: Question, arm: Arm, model: Model, digest: str | None) -> str:
        parts = [question.id, arm.name, model.identity, digest, self._store.header.image_size]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _header(
    benchmark: Benchmark,
    selection: Selection,
    arms: Sequence[Arm],
    *,
    wording: str,
    shots: int,
    templates: TemplateKind,
    shuffle_options: int | None,
    image_size: int | None,
) -> RunHeader:
    return RunHeader(
        version=RUN_VERSION,
        library=__version__,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        data=writable(str(benchmark.root)),
        data_sha256=benchmark.sha256,
        questions=len(selection.questions),
        questions_sha256=questions_sha256(selection.questions),
        missing_pictures=len(selection.missing_pictures),
        missing_questions=selection.missing_questions,
        arms=tuple(ArmHeader(arm.name, arm.identity, arm.model, arm.index) for arm in arms),
        pictures=selection.pictures,
        wording=wording,
        shots=shots,
        templates=templates.value,
        parser_version=PARSER_VERSION,
        shuffle_options=shuffle_options,
        image_size=image_size,
    )
