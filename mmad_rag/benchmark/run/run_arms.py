"""Ask every arm every question, keeping each outcome as it comes.

Questions are taken in order, and the arms of one question right after one another, so that a provider's drift
hits all arms alike. At most `concurrency` questions are under way at a time, whatever the size of the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmad_rag.benchmark.audit.choose_hard import HardSubset, hard_bytes
from mmad_rag.benchmark.data.mmad import Benchmark, TemplateKind
from mmad_rag.benchmark.data.selection import Selection
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.budget import Budget
from mmad_rag.benchmark.run.grade import writable
from mmad_rag.benchmark.run.reader import questions_sha256
from mmad_rag.benchmark.run.records import RUN_VERSION, ArmHeader, RunHeader
from mmad_rag.benchmark.run.store import RunStore
from mmad_rag.benchmark.run.worker import Asking, RunProgress
from mmad_rag.errors import DataError, SpecError
from mmad_rag.prompt import WORDINGS, wording_digest
from mmad_rag.reading.parse import PARSER_VERSION
from mmad_rag.version import __version__

_LIBRARIES = (
    "numpy",
    "torch",
    "open-clip-torch",
    "sentence-transformers",
    "timm",
    "faiss-cpu",
    "pillow",
    "openai",
)
"""Whose versions a run writes down."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has come to its end."""

    folder: Path
    """Where its outcomes are."""
    header: RunHeader
    """What it is."""
    progress: RunProgress
    """How it ended."""
    stopped: bool = False
    """Whether the budget was used up before everything was asked."""
    spent_usd: float | None = None
    """What the run has cost so far; None for a run without a budget."""


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
    circular: int = 0,
    circular_seed: int = 0,
    hard: HardSubset | None = None,
    budget: Budget | None = None,
    concurrency: int = 8,
    progress: Callable[[RunProgress], None] | None = None,
) -> RunResult:
    """Ask every arm every question of a selection; a run that was begun in `out` is continued.

    A question whose image cannot be read, or to which no reply comes, is recorded as failed, and asked
    again when the run is continued. Any other error stops the run: what is under way is finished and kept,
    then the error is raised. Interrupted in any other way, only what was under way is asked again.

    Args:
        benchmark: Where images and templates are found.
        selection: What to ask.
        arms: The conditions, see `build_arms`.
        out: The run folder.
        wording: One of `mmad_rag.prompt.WORDINGS`.
        shots: Normal example images shown with each question, at most; those that are not a file, or whose
            bytes are the query's, are passed over.
        templates: Which of an image's lists those are taken from.
        shuffle_options: Seed of the order in which options are shown, see `shown_choices`; None keeps the
            file's. Rows hold the file's letters in either case.
        image_size: Longest side that images are scaled down to; None leaves them as they are.
        circular: So many questions, drawn by `circular_seed`, are also asked in every other rotation of
            their options; see `circular`.
        circular_seed: Of that draw.
        hard: Questions that are scored apart as well, fixed before anything is asked; kept with the run.
        budget: What the run may cost; when it is used up the run stops, and what was answered is kept. Like
            `concurrency` it is not a part of what the run is: the next go may have another.
        concurrency: Questions under way at a time, at least 1.
        progress: Called after every outcome.

    Raises:
        DataError: the run folder cannot be used or written, a number is out of range, or the hard subset is
            of other data.
        SpecError: there is no such wording, or an arm cannot be composed for a question; nothing is asked.
        ModelActionError: a model can give no reply until the user acts.
    """
    if concurrency < 1 or shots < 0 or circular < 0:
        raise DataError(
            f"a run cannot have a concurrency of {concurrency}, {shots} shots and {circular} circular "
            "questions; give 1, 0 and 0 or more"
        )
    if hard is not None and hard.data_sha256 != benchmark.sha256:
        raise DataError(
            f"the hard subset was chosen from another question file than {benchmark.root}; "
            "write it again by `mmad-rag audit --out`"
        )
    if shots and not selection.images:
        raise DataError(f"a run without images cannot show {shots} example images; leave them out")
    if wording not in WORDINGS:
        raise SpecError(f"there is no wording {wording!r}; choose one of {', '.join(WORDINGS)}")
    if image_size is not None and image_size < 1:
        raise DataError(f"an image cannot be scaled down to {image_size} pixels; give 1 or more")
    header = _header(
        benchmark, selection, arms, wording=wording, shots=shots, templates=templates,
        shuffle_options=shuffle_options, image_size=image_size,
        circular=circular, circular_seed=circular_seed, hard=hard,
    )  # fmt: skip
    for question in selection.questions:  # what cannot be asked is refused before anything is
        for arm in arms:
            arm.model_for(question)
    kept = None if hard is None else hard_bytes(hard)
    with RunStore(out, header, selection.questions, hard=kept) as store:
        asking = Asking(benchmark, store, selection.questions, arms, budget=budget, progress=progress)
        tasks = asking.tasks()
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(asking.work(tasks))
        if asking.error is not None:
            raise asking.error
        return RunResult(out, store.header, asking.state(), asking.stopped, asking.purse.spent)


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
    circular: int,
    circular_seed: int,
    hard: HardSubset | None,
) -> RunHeader:
    return RunHeader(
        version=RUN_VERSION,
        library=__version__,
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        data=writable(str(benchmark.root)),
        data_sha256=benchmark.sha256,
        questions=len(selection.questions),
        questions_sha256=questions_sha256(selection.questions),
        missing_images=len(selection.missing_images),
        missing_questions=selection.missing_questions,
        arms=tuple(ArmHeader(arm.name, arm.identity, arm.model, arm.index) for arm in arms),
        images=selection.images,
        wording=wording,
        shots=shots,
        templates=templates.value,
        parser_version=PARSER_VERSION,
        shuffle_options=shuffle_options,
        image_size=image_size,
        errata=benchmark.errata,
        circular=circular,
        circular_seed=circular_seed if circular else 0,
        wording_sha256=wording_digest(wording),
        sample_seed=selection.seed,
        versions=_versions(),
        hard_sha256=None if hard is None else hashlib.sha256(hard_bytes(hard)).hexdigest(),
    )


def _versions() -> dict[str, str]:
    """Of what is installed; nothing is imported for it."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
