"""`mmad-rag compare` and `mmad-rag errors`: what arms or models do on the same questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.cli.console import note, out, print_json, print_table
from mmad_rag.cli.options import JsonOption, PricesOption
from mmad_rag.cli.sources import (
    AnsweredOption,
    AnswersDataOption,
    ArmOption,
    SourcesArgument,
    read_source,
    read_sources,
)
from mmad_rag.cli.summary import print_decomposition, print_summary
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.benchmark.many.matrix import ModelMatrix

_PRODUCTS = 15
"""Products that the terminal shows."""


def compare(
    sources: SourcesArgument,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Compare every model with every other, Holm over all pairs.")
    ] = False,
    baseline: Annotated[
        str, typer.Option(help="The arm to compare with; of several files, the model: else the first.")
    ] = "none",
    arm: ArmOption = None,
    data: AnswersDataOption = None,
    replicates: Annotated[
        int | None,
        typer.Option(
            min=1, help="Bootstrap draws of images.", show_default="2000; for a matrix what verdicts need"
        ),
    ] = None,
    margin: Annotated[float, typer.Option(min=0, help="Percentage points that do not matter.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed for bootstrap draws.")] = 0,
    decompose: Annotated[
        bool, typer.Option("--decompose", help="Only what the gain is made of, by the arms of the run.")
    ] = False,
    answered: AnsweredOption = False,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare arms of a run, or several models.

    Every difference has a 95 % interval and a verdict.

    With a second run, compare the arms that both have; runs that were not asked the same questions in the
    same way are refused, and what differs is named.

    Answers files, and more than two runs, are compared on the questions that all of them have, each model
    with the first; what is left out is told.
    """
    two_runs = len(sources) == 2 and all(path.is_dir() for path in sources) and not (arm or data or matrix)
    if decompose and (len(sources) > 1 or matrix):
        raise DataError("--decompose takes one run apart; leave the second run out")
    if matrix or (len(sources) > 1 and not two_runs):
        _many(
            sources, matrix=matrix, baseline=baseline, arms=arm or (), data=data, answered=answered,
            replicates=replicates, margin=margin, seed=seed, as_json=as_json,
        )  # fmt: skip
        return
    if not sources[0].is_dir() and sources[0].exists():
        raise DataError(
            f"{sources[0]} alone has nothing to be compared with; give another answers file or run beside it"
        )
    if arm:
        raise DataError("--arm chooses among several runs; for one run give --baseline")
    from mmad_rag.benchmark.analysis.summary import summarise, summarise_two
    from mmad_rag.benchmark.stats.resample import REPLICATES
    from mmad_rag.models.prices import load_prices

    draws = REPLICATES if replicates is None else replicates
    run = read_source(sources[0], answered=answered, data=data)
    if two_runs:
        second = read_source(sources[1], answered=answered)
        two = summarise_two(run, second, replicates=draws, margin=margin, seed=seed)
        if as_json:
            print_json(two)
            return
        for line in two.differences:
            note(line)
        print_summary(two.summary)
        return
    summary = summarise(
        run, baseline=baseline, replicates=draws, margin=margin, seed=seed, prices=load_prices(prices)
    )
    if as_json:
        print_json(summary.decomposition if decompose else summary)
    elif decompose:
        print_decomposition(summary)
    else:
        print_summary(summary)


def _many(
    sources: list[Path],
    *,
    matrix: bool,
    baseline: str,
    arms: list[str] | tuple[str, ...],
    data: Path | None,
    answered: bool,
    replicates: int | None,
    margin: float,
    seed: int,
    as_json: bool,
) -> None:
    from mmad_rag.benchmark.many.matrix import compare_models, summarise_models
    from mmad_rag.benchmark.stats.resample import REPLICATES

    same = read_sources(sources, answered=answered, data=data, arms=arms)
    if matrix:
        found = compare_models(same, replicates=replicates, margin=margin, seed=seed)
        if as_json:
            print_json(found)
        else:
            _print_matrix(found)
        return
    chosen = None if baseline == "none" and baseline not in same.models else baseline
    draws = REPLICATES if replicates is None else replicates
    summary = summarise_models(same, baseline=chosen, replicates=draws, margin=margin, seed=seed)
    if as_json:
        print_json({"sources": same.sources, "summary": summary})
    else:
        print_summary(summary)


def _print_matrix(matrix: ModelMatrix) -> None:
    from mmad_rag.report.tables.models import matrix_notes, matrix_tables, models_table

    for table in (models_table(matrix), *matrix_tables(matrix)):
        print_table(table)
    for line in matrix_notes(matrix):
        note(line)


def errors(
    sources: SourcesArgument,
    at_least: Annotated[
        int | None,
        typer.Option(min=1, help="Number of models that must get a question wrong.", show_default="all"),
    ] = None,
    arm: ArmOption = None,
    data: AnswersDataOption = None,
    knowledge: Annotated[
        Path | None,
        typer.Option("--knowledge", help="Folder of <product>.yaml files: adds the shortcuts that read it."),
    ] = None,
    show: Annotated[int, typer.Option(min=0, help="Questions that are listed, spread over subtasks.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed for the questions that are listed.")] = 0,
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write a page with the listed questions and images.")
    ] = None,
    answered: AnsweredOption = False,
    as_json: JsonOption = False,
) -> None:
    """List what all or most models get wrong.

    By subtask, product and shortcut, each number beside what chance would give if errors were independent.

    Images for the page come from --data, else from the data folder that a run was given.
    """
    from mmad_rag.benchmark.many.errors import error_patterns, spread_over_subtasks
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.report.tables.errors import counts_table, errors_notes, group_tables, questions_table

    base = None if knowledge is None else load_knowledge(knowledge)
    same = read_sources(sources, answered=answered, data=data, arms=arm or ())
    patterns = error_patterns(same, at_least=at_least, base=base)
    listed = spread_over_subtasks(patterns, same.run.columns.names, show, seed=seed)
    if html is not None:
        from mmad_rag.report.html.errors_page import render_errors
        from mmad_rag.report.html.page import write_page

        folder = same.run.header.data
        page = render_errors(patterns, listed, data=Path(folder) if folder else None)
        write_page(page, html)
    if as_json:
        print_json(patterns)
    else:
        for table in (counts_table(patterns), *group_tables(patterns, longest=_PRODUCTS)):
            print_table(table)
        if listed:
            print_table(questions_table(patterns, listed))
        for line in errors_notes(patterns):
            note(line)
    if html is not None:
        (note if as_json else lambda line: out().print(line, markup=False, soft_wrap=True))(str(html))
