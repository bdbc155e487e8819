"""Ask a run's questions with a progress bar, and say how it ended."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from mmad_rag.cli.console import note, progress_bar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmad_rag.benchmark.data.mmad import Benchmark
    from mmad_rag.benchmark.data.selection import Selection
    from mmad_rag.benchmark.run.records import Run
    from mmad_rag.benchmark.run.run_arms import RunResult
    from mmad_rag.benchmark.run.worker import RunProgress


Ask: TypeAlias = "Callable[[Callable[[RunProgress], None]], Coroutine[Any, Any, RunResult]]"
"""Begins a run; takes what is to be told of its progress."""


def run_with_progress(ask: Ask, *, out_folder: Path, goes_on: bool) -> RunResult:
    """Run with a progress bar; what was kept is said on standard error.

    `goes_on` says whether the same command continues what is in `out_folder`, and is told after an interrupt.
    """
    from mmad_rag.rag import run_sync

    try:
        with progress_bar() as bar:

            def advance(progress: RunProgress) -> None:
                failed = f", {progress.failed} failed" if progress.failed else ""
                bar("asking", progress.done, progress.total, failed)

            result = run_sync(ask(advance))
    except KeyboardInterrupt:
        if goes_on:
            note(f"what was answered is kept in {out_folder}; the same command goes on where it stopped")
        raise
    if result.progress.kept:
        note(f"{result.progress.kept} of {result.progress.total} outcomes were there already")
    return result


def note_missing(benchmark: Benchmark, selection: Selection) -> None:
    """Say on standard error how many images have no file."""
    if selection.missing_images:
        note(
            f"{len(selection.missing_images)} images have no file in {benchmark.root}: "
            f"{selection.missing_questions} questions about them are not asked"
        )


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


def without_errata(benchmark: Benchmark, names: Sequence[str]) -> Benchmark:
    """The benchmark without the questions of the named errata, told one by one on standard error."""
    from mmad_rag.benchmark.data.errata import apply_errata

    for name in dict.fromkeys(names):
        before = len(benchmark.questions)
        benchmark = apply_errata(benchmark, [name])
        left_out = before - len(benchmark.questions)
        note(
            f"erratum {name}: {left_out} of {before:,} questions left out"
            + ("" if left_out else "; this copy does not have it")
        )
    return benchmark
