"""`mmad-rag audit`: what a question set gives away without any model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import note, print_json, print_table, progress_bar
from mmad_rag.cli.options import JsonOption
from mmad_rag.errors import DataError
from mmad_rag.files import atomic_write


def audit(
    data: Annotated[Path, typer.Option("--data", help="Folder with mmad.json; images are not needed.")],
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
    """Score shortcuts that see no image."""
    from mmad_rag.benchmark.audit.audit import audit_questions
    from mmad_rag.benchmark.audit.choose_hard import hard_bytes, hard_subset_of
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.report.tables.audit import (
        audit_notes,
        average_table,
        entries_table,
        leak_table,
        shortcuts_table,
    )

    benchmark = load_questions(data)
    base = None if knowledge is None else load_knowledge(knowledge)
    with progress_bar() as advance:
        found = audit_questions(benchmark, base, replicates=replicates, seed=seed, progress=advance)
    if out_file is not None:
        balanced = tuple(score.shortcut for score in found.all_questions[1:])
        _write(out_file, hard_bytes(hard_subset_of(benchmark, base, balanced, found.hard)))
        note(f"{len(found.hard)} of {len(found.questions)} question ids written to {out_file}")
    if as_json:
        print_json(found)
        return
    print_table(shortcuts_table(found.all_questions, f"All {len(found.questions)} questions"))
    print_table(average_table(found.all_questions, "Averages"))
    if found.hard_questions:
        title = f"Hard subset, rule {found.rule}: {len(found.hard)} of {len(found.questions)} questions"
        print_table(shortcuts_table(found.hard_questions, title))
    if found.leak is not None and found.leak.columns:
        print_table(leak_table(found.leak, f"Leak of {found.leak.questions} questions, points of overlap"))
        print_table(entries_table(found.leak))
    for line in audit_notes(found):
        note(line)


def _write(path: Path, data: bytes) -> None:
    try:
        atomic_write(path, data)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror}); give a path in a folder that exists"
        ) from error
