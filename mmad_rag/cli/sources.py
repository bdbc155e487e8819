"""Read what commands take: run folders and answers files, one or several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mmad_rag.cli.console import note
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.benchmark.many.same_questions import SameQuestions
    from mmad_rag.benchmark.run.records import Run

AnsweredOption: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--answered", help="Take only the questions of an unfinished run that every arm has answered."
    ),
]
SourcesArgument: TypeAlias = Annotated[
    list[Path], typer.Argument(help="Run folders, or answers files as MMAD's scripts write them.")
]
ArmOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--arm", help="Take only this arm of every run; repeatable. An answers file is one model."),
]
AnswersDataOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Folder with mmad.json: all its questions count, answered or not; with their options."
    ),
]


def read_source(path: Path, *, answered: bool = False, data: Path | None = None) -> Run:
    """A run folder or an answers file as a run.

    Raises:
        DataError: it is neither or damaged, or an unfinished run of which no question is answered in every
            arm.
    """
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.benchmark.many.answers_run import read_answered
    from mmad_rag.benchmark.run.reader import answered_part

    if data is not None and path.is_dir():
        raise DataError(f"the run in {path} holds its questions itself; leave --data out")
    run = read_answered(path, None if data is None else load_questions(data))
    if not answered or run.answers_file:
        return run
    part = answered_part(run)
    if not part.questions:
        raise DataError(f"{path} has no question that every arm has answered; let it go on")
    note(f"{len(part.questions)} of {len(run.questions)} questions of {path} are answered in every arm")
    return part


def read_sources(
    paths: Sequence[Path], *, answered: bool = False, data: Path | None = None, arms: Sequence[str] = ()
) -> SameQuestions:
    """Several runs and answers files, put together on the questions that are in all of them; what is left
    out is told.

    Raises:
        DataError: one of them cannot be read, or they cannot be put together.
    """
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.benchmark.many.answers_run import read_answered
    from mmad_rag.benchmark.many.same_questions import same_questions

    benchmark = None if data is None else load_questions(data)
    runs = [
        read_source(path, answered=answered) if path.is_dir() else read_answered(path, benchmark)
        for path in paths
    ]
    same = same_questions(runs, data=benchmark, arms=arms)
    for line in same.left_out:
        note(line)
    return same
