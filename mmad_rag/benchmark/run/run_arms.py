"""Ask every arm every question, keeping each outcome as it comes.

Questions are asked in order, and all arms of a question right after one another, so that a drift of the
provider affects all arms alike. At most `concurrency` questions are under way at a time, whatever the size of
the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mmad_rag.benchmark.audit.choose_hard import HardSubset, hard_bytes
from mmad_rag.benchmark.data.mmad import Benchmark
from mmad_rag.benchmark.data.selection import Selection
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.budget import Budget
from mmad_rag.benchmark.run.grade import writable
from mmad_rag.benchmark.run.reader import questions_sha256
from mmad_rag.benchmark.run.records import RUN_VERSION, ArmHeader, RunHeader
from mmad_rag.benchmark.run.settings import DEFAULT_SETTINGS, RunSettings
from mmad_rag.benchmark.run.store import RunStore
from mmad_rag.benchmark.run.worker import RunProgress, RunWorker
from mmad_rag.errors import DataError
from mmad_rag.prompt import wording_digest
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
"""Libraries whose versions a run records."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended."""

    folder: Path
    """The run folder, which holds its outcomes."""
    header: RunHeader
    """The header of the run."""
    progress: RunProgress
    """Counts of outcomes at the end of the run."""
    stopped: bool = False
    """Whether the budget was used up before all questions were asked."""
    spent_usd: float | None = None
    """What the run has cost so far; None for a run without a budget."""


async def run_arms(
    benchmark: Benchmark,
    arms: Sequence[Arm],
    *,
    out: Path,
    settings: RunSettings = DEFAULT_SETTINGS,
    hard: HardSubset | None = None,
    budget: Budget | None = None,
    concurrency: int = 8,
    retry_empty: bool = False,
    progress: Callable[[RunProgress], None] | None = None,
) -> RunResult:
    """Ask every arm the questions that the settings select; a run that was begun in `out` is continued.

    A question whose image cannot be read, or that gets no reply, is recorded as failed and asked again when
    the run is continued. Any other error stops the run: requests under way are finished and kept, then the
    error is raised. After any other interruption only the requests that were under way are asked again.

    Args:
        benchmark: The questions, and the folder of images and templates.
        arms: The conditions, see `build_arms`.
        out: The run folder.
        settings: The protocol; it is written into the run's header.
        hard: Questions that are also scored separately, fixed before the first request; kept with the run.
        budget: What the run may cost; when it is used up the run stops, and its replies are kept. Like
            `concurrency` it does not identify the run: a continued run may have another budget.
        concurrency: Questions under way at a time, at least 1.
        retry_empty: Whether questions whose reply in the folder has no text are asked again.
        progress: Called after every outcome.

    Raises:
        DataError: no question is left to ask, the run folder cannot be used or written, the concurrency is
            out of range, or the hard subset is of other data.
        SpecError: an arm cannot be composed for a question; nothing is asked.
        ModelActionError: a model can give no reply until the user acts.
    """
    if concurrency < 1:
        raise DataError(f"a run cannot have a concurrency of {concurrency}; give 1 or more")
    if hard is not None and hard.data_sha256 != benchmark.sha256:
        raise DataError(
            f"the hard subset was chosen from another question file than {benchmark.root}; "
            "write it again by `mmad-rag audit --out`"
        )
    selection = settings.select(benchmark)
    header = _header(benchmark, selection, arms, settings, hard)
    for question in selection.questions:  # refuse what cannot be asked before the first request
        for arm in arms:
            arm.model_for(question)
    kept = None if hard is None else hard_bytes(hard)
    with RunStore(out, header, selection.questions, hard=kept, retry_empty=retry_empty) as store:
        worker = RunWorker(
            benchmark, store, selection.questions, arms, settings=settings, budget=budget, progress=progress
        )
        tasks = worker.tasks()
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker.work(tasks))
        if worker.error is not None:
            raise worker.error
        return RunResult(out, store.header, worker.state(), worker.stopped, worker.budget.spent)


def _header(
    benchmark: Benchmark,
    selection: Selection,
    arms: Sequence[Arm],
    settings: RunSettings,
    hard: HardSubset | None,
) -> RunHeader:
    """The header of a run; a field that header and settings share is copied by its name."""
    recorded: dict[str, Any] = {
        item.name: getattr(settings, item.name) for item in fields(RunHeader) if hasattr(settings, item.name)
    }
    recorded["templates"] = settings.templates.value
    recorded["errata"] = tuple(sorted({*benchmark.errata, *settings.errata}))
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
        arms=tuple(ArmHeader(arm.name, arm.identity, arm.model, arm.index, arm.counter) for arm in arms),
        parser_version=PARSER_VERSION,
        wording_sha256=wording_digest(settings.wording),
        versions=_versions(),
        hard_sha256=None if hard is None else hashlib.sha256(hard_bytes(hard)).hexdigest(),
        **recorded,
    )


def _versions() -> dict[str, str]:
    """Versions of the installed libraries, read without importing them."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
