"""`mmad-rag audit`: what a question set gives away without any model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.cli.console import note, plain, print_json, print_table, progress_bar
from mmad_rag.cli.options import JsonOption
from mmad_rag.cli.sources import read_sources
from mmad_rag.errors import DataError
from mmad_rag.files import atomic_write

if TYPE_CHECKING:
    from mmad_rag.benchmark.data.mmad import Benchmark
    from mmad_rag.benchmark.many.model_audit import AuditPart
    from mmad_rag.benchmark.many.same_questions import SameQuestions


def audit(
    sources: Annotated[
        list[Path] | None,
        typer.Argument(help="Run folders or answers files: adds their scores where shortcuts fail."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Folder with mmad.json; images are not needed.",
            show_default="the questions of the runs and answers files",
        ),
    ] = None,
    knowledge: Annotated[
        Path | None,
        typer.Option("--knowledge", help="Folder of <product>.yaml files: adds the readers and the leak."),
    ] = None,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Write the ids of the hard subset to this JSON file.")
    ] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Bootstrap draws of images.")] = 2_000,
    seed: Annotated[int, typer.Option(help="Seed for bootstrap draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Score shortcuts that see no image.

    Runs and answers files are scored beside them: on the hard subset, and where each shortcut misses.
    """
    from mmad_rag.benchmark.audit.audit import audit_questions
    from mmad_rag.benchmark.audit.choose_hard import hard_bytes, hard_subset_of
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.benchmark.many.model_audit import audit_models
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.report.tables.audit import (
        audit_notes,
        average_table,
        entries_table,
        leak_table,
        shortcuts_table,
    )
    from mmad_rag.report.tables.models import audit_models_table

    same = read_sources(sources, data=data) if sources else None
    benchmark = load_questions(data) if data is not None else _benchmark_of(same)
    base = None if knowledge is None else load_knowledge(knowledge)
    with progress_bar() as advance:
        found = audit_questions(benchmark, base, replicates=replicates, seed=seed, progress=advance)
    if out_file is not None:
        balanced = tuple(score.shortcut for score in found.all_questions[1:])
        _write(out_file, hard_bytes(hard_subset_of(benchmark, base, balanced, found.hard)))
        note(f"{len(found.hard)} of {len(found.questions)} question ids written to {out_file}")
    models: tuple[AuditPart, ...] = ()
    if same is not None:
        models = audit_models(found, same, replicates=replicates, seed=seed)
    if as_json:
        print_json({**plain(found), "models": models} if same is not None else found)
        return
    print_table(shortcuts_table(found.all_questions, f"All {len(found.questions)} questions"))
    print_table(average_table(found.all_questions, "Averages"))
    if found.hard_questions:
        title = f"Hard subset, rule {found.rule}: {len(found.hard)} of {len(found.questions)} questions"
        print_table(shortcuts_table(found.hard_questions, title))
    if found.leak is not None and found.leak.columns:
        print_table(leak_table(found.leak, f"Leak of {found.leak.questions} questions, points of overlap"))
        print_table(entries_table(found.leak))
    if models:
        print_table(audit_models_table(models))
    for line in audit_notes(found):
        note(line)


def _benchmark_of(same: SameQuestions | None) -> Benchmark:
    """The questions of runs and answers files, whose options must be known."""
    from mmad_rag.benchmark.data.mmad import Benchmark
    from mmad_rag.benchmark.many.answers_run import has_options

    if same is None:
        raise DataError("there is nothing to audit; give --data, runs or answers files")
    run = same.run
    if not has_options(run.questions):
        raise DataError(f"{run.folder} does not keep the options of its questions; give --data")
    return Benchmark(Path(run.header.data), run.questions, {}, (), run.header.data_sha256)


def _write(path: Path, data: bytes) -> None:
    try:
        atomic_write(path, data)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); give a path in a folder that exists"
        ) from error
