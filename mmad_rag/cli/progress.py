"""Ask a run's questions with a progress bar, and say how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mmad_rag.cli.console import note, progress_bar

if TYPE_CHECKING:
    from mmad_rag.benchmark.run.records import Run
    from mmad_rag.benchmark.run.worker import RunProgress


@contextmanager
def asking_progress(out_folder: Path, *, goes_on: bool) -> Iterator[Callable[[RunProgress], None]]:
    """A progress bar while a run is asked; what was there already is said on standard error afterwards.

    `goes_on` says whether the same command continues what is in `out_folder`, and is told after an interrupt.
    """
    last: list[RunProgress] = []
    try:
        with progress_bar() as bar:

            def advance(progress: RunProgress) -> None:
                last[:] = [progress]
                failed = f", {progress.failed} failed" if progress.failed else ""
                bar("asking", progress.done, progress.total, failed)

            yield advance
    except KeyboardInterrupt:
        if goes_on:
            note(f"what was answered is kept in {out_folder}; the same command goes on where it stopped")
        raise
    for progress in last:
        if progress.kept:
            note(f"{progress.kept} of {progress.total} outcomes were there already")


def end_with_failures(run: Run, *, goes_on: bool) -> None:
    """Say why questions got no reply, and exit with 1; nothing happens when all got one."""
    from mmad_rag.benchmark.analysis.failures import advice, failure_lines, failures_of

    failures = failures_of(run)
    if not failures:
        return
    for line in failure_lines(failures, len(run.rows) + len(run.rotated)):
        note(line)
    what = advice(failures)
    if goes_on:
        note(f"{what}; then the same command asks only these again, all else is kept in {run.folder}")
    else:
        note(f"{what}; nothing is kept without --out, give it to ask only these again")
    raise typer.Exit(1)
