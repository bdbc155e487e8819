"""`mmad-rag eval`: the same questions in every arm, into a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.benchmark.mmad import TemplateKind
from mmad_rag.cli.console import note, print_json, progress_bar
from mmad_rag.cli.options import (
    DEFAULT_INDEX,
    BaseUrlOption,
    BudgetOption,
    EncoderOption,
    IndexOption,
    JsonOption,
    ModelOption,
)
from mmad_rag.cli.score import print_summary
from mmad_rag.retrieve import DEFAULT_BUDGET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mmad_rag.benchmark.arms import Arm
    from mmad_rag.benchmark.mmad import Benchmark
    from mmad_rag.benchmark.outcomes import Run
    from mmad_rag.benchmark.run import RunProgress, RunResult
    from mmad_rag.benchmark.selection import Selection


def evaluate(
    data: Annotated[Path, typer.Option("--data", help="Folder that holds mmad.json and the pictures.")],
    model: ModelOption,
    arms: Annotated[
        str,
        typer.Option(
            "--arms",
            help="Of none, rag, oracle, wrong, lookalike, filler, all, blind, blind-none; by commas.",
        ),
    ] = "none,rag",
    index_folder: IndexOption = DEFAULT_INDEX,
    encoder: EncoderOption = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Run folder; an interrupted run in it is continued.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="Ask a seeded sample of this many questions.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Ask about these images only: a product or a glob on paths; repeatable."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Of the sample, wrong products and intervals.")] = 0,
    shots: Annotated[
        int, typer.Option("--shots", min=0, help="Normal example pictures shown with each question.")
    ] = 0,
    templates: Annotated[
        TemplateKind,
        typer.Option("--templates", help="Which of an image's lists the examples are taken from."),
    ] = TemplateKind.RANDOM,
    no_pictures: Annotated[
        bool,
        typer.Option("--no-pictures", help="Show no picture; asks every question, also without a file."),
    ] = False,
    image_size: Annotated[
        int | None,
        typer.Option("--image-size", min=1, help="Scale pictures down to this longest side, in pixels."),
    ] = None,
    shuffle_options: Annotated[
        int | None,
        typer.Option("--shuffle-options", help="Show options in an order drawn by this seed."),
    ] = None,
    budget: BudgetOption = DEFAULT_BUDGET,
    context: Annotated[
        int | None,
        typer.Option(
            "--context", min=1, help="Refuse the arm all where a product's text has more tokens than this."
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", help="Questions under way at a time.")] = 8,
    base_url: BaseUrlOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask every question in every arm; the same command continues an interrupted run.

    Exit code 1 when a question got no reply: the table is printed, and why on standard error.
    """
    from mmad_rag.benchmark.arms import INDEXLESS_ARMS, PICTURE_ARMS, build_arms, check_arm_names
    from mmad_rag.benchmark.mmad import load_questions
    from mmad_rag.benchmark.run_folder import read_run
    from mmad_rag.benchmark.selection import select
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.models import load_model
    from mmad_rag.report.failures import failures_of
    from mmad_rag.report.run_summary import summarise

    names = [name.strip() for name in arms.split(",") if name.strip()]
    check_arm_names(names)
    benchmark = load_questions(data)
    selection = select(benchmark, only=only or (), limit=limit, seed=seed, pictures=not no_pictures)
    asked = load_model(model, base_url=base_url)
    index = KnowledgeIndex.load(index_folder) if set(names) - INDEXLESS_ARMS else None
    built = build_arms(names, asked, index, encoder=encoder, budget=budget, context=context, seed=seed)
    if no_pictures and (idle := [name for name in names if name in PICTURE_ARMS]):
        note(f"without pictures no product is found: {', '.join(idle)} will show no knowledge")
    folder = out_folder or Path("runs") / "-".join([data.resolve().name, *model.replace("/", "-").split(":")])
    result = run_with_progress(
        benchmark, selection, built, out_folder=folder, goes_on=True, shots=shots,
        templates=templates,
        shuffle_options=shuffle_options, image_size=image_size, concurrency=concurrency,
    )  # fmt: skip
    run = read_run(folder)
    summary = summarise(run, seed=seed)
    if as_json:
        told = {"progress": result.progress, "failures": failures_of(run), "header": result.header}
        print_json({"run": folder, **told, "summary": summary})
    else:
        print_summary(summary)
        note(f"run folder: {folder}")
    end_with_failures(run, goes_on=True)


def run_with_progress(
    benchmark: Benchmark,
    selection: Selection,
    arms: Sequence[Arm],
    *,
    out_folder: Path,
    goes_on: bool,
    shots: int = 0,
    templates: TemplateKind = TemplateKind.RANDOM,
    shuffle_options: int | None = None,
    image_size: int | None = None,
    concurrency: int = 8,
) -> RunResult:
    """Run with a progress bar; what was left out is said on standard error.

    `goes_on` says whether the same command continues what is in `out_folder`, and is told after an interrupt.
    """
    from mmad_rag.benchmark.run import run_arms
    from mmad_rag.rag import run_sync

    if selection.missing_pictures:
        note(
            f"{len(selection.missing_pictures)} images have no file in {benchmark.root}: "
            f"{selection.missing_questions} questions about them are not asked"
        )
    try:
        with progress_bar() as bar:

            def advance(progress: RunProgress) -> None:
                failed = f", {progress.failed} failed" if progress.failed else ""
                bar("asking", progress.done, progress.total, failed)

            result = run_sync(
                run_arms(
                    benchmark,
                    selection,
                    arms,
                    out=out_folder,
                    shots=shots,
                    templates=templates,
                    shuffle_options=shuffle_options,
                    image_size=image_size,
                    concurrency=concurrency,
                    progress=advance,
                )
            )
    except KeyboardInterrupt:
        if goes_on:
            note(f"what was answered is kept in {out_folder}; the same command goes on where it stopped")
        raise
    if result.progress.kept:
        note(f"{result.progress.kept} of {result.progress.total} outcomes were there already")
    return result


def end_with_failures(run: Run, *, goes_on: bool) -> None:
    """Say why questions got no reply, and exit with 1; nothing happens when all got one."""
    from mmad_rag.report.failures import advice, failure_lines, failures_of

    failures = failures_of(run)
    if not failures:
        return
    for line in failure_lines(failures, len(run.rows)):
        note(line)
    what = advice(failures)
    if goes_on:
        note(f"{what}; then the same command asks only these again, all else is kept in {run.folder}")
    else:
        note(f"{what}; nothing is kept without --out, give it to ask only these again")
    raise typer.Exit(1)
