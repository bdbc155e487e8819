"""`mmad-rag score` and `mmad-rag compare`: numbers from what was answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.benchmark.score_table import Rule
from mmad_rag.cli.console import note, out, print_json, print_table
from mmad_rag.cli.options import JsonOption
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.report.run_summary import RunSummary

RunArgument = Annotated[Path, typer.Argument(help="Run folder, as written by `mmad-rag eval`.")]


def score(
    answers: Annotated[
        Path, typer.Argument(help="A run folder, or an answers file as MMAD's scripts write it.")
    ],
    rule: Annotated[
        Rule,
        typer.Option(help="fixed: every question counts. strict-mmad: MMAD's own script, quirk included."),
    ] = Rule.FIXED,
    as_json: JsonOption = False,
) -> None:
    """Score a run or an answers file by a named rule."""
    from mmad_rag.benchmark.answers import read_answers
    from mmad_rag.benchmark.run_folder import read_run
    from mmad_rag.benchmark.score import score_answers, score_run
    from mmad_rag.report.scores import detection_line, score_notes, score_table

    if answers.is_dir():
        run = read_run(answers)
        tables = {arm.name: score_run(run.rows, run.questions, rule, arm.name) for arm in run.header.arms}
    else:
        tables = {answers.name: score_answers(read_answers(answers), rule, name=str(answers))}
    if as_json:
        print_json(tables if answers.is_dir() else tables[answers.name])
        return
    for name, table in tables.items():
        print_table(score_table(table, name))
        out().print(detection_line(table), markup=False, soft_wrap=True)
        for line in score_notes(table):
            note(line)


def compare(
    run_folder: RunArgument,
    baseline: Annotated[str, typer.Option(help="The arm to compare with.")] = "none",
    replicates: Annotated[int, typer.Option(min=1, help="Bootstrap draws of images.")] = 2_000,
    margin: Annotated[float, typer.Option(min=0, help="Percentage points that do not matter.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    decompose: Annotated[
        bool, typer.Option("--decompose", help="Only what the gain is made of, by the arms of the run.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compare every arm of a run with a baseline, paired by question, with 95 % intervals and verdicts."""
    from mmad_rag.benchmark.run_folder import read_run
    from mmad_rag.report.run_summary import summarise

    summary = summarise(
        read_run(run_folder), baseline=baseline, replicates=replicates, margin=margin, seed=seed
    )
    if as_json:
        print_json(summary.decomposition if decompose else summary.comparisons)
    elif decompose:
        _print_decomposition(summary)
    else:
        print_summary(summary)


def print_summary(summary: RunSummary) -> None:
    """The table of arms on standard output, how to read it on standard error."""
    from mmad_rag.report.comparisons import decomposition_table, verdict_lines, verdict_notes
    from mmad_rag.report.scores import arms_notes, arms_table, detection_line

    print_table(arms_table(summary.tables, summary.comparisons))
    for line in verdict_lines(summary.comparisons):
        out().print(line, markup=False, soft_wrap=True)
    if summary.decomposition.effects:
        print_table(decomposition_table(summary.decomposition))
    for arm, table in summary.tables:
        out().print(f"{arm}, {detection_line(table)}", markup=False, soft_wrap=True)
    for line in (*arms_notes(summary.comparisons), *verdict_notes(summary.comparisons)):
        note(line)
    for counts in summary.routing:
        note(str(counts))


def _print_decomposition(summary: RunSummary) -> None:
    from mmad_rag.report.comparisons import decomposition_table

    if not summary.decomposition.effects:
        arms = ", ".join(arm for arm, _ in summary.tables)
        raise DataError(f"the arms {arms} tell no effect; run also `none` and `oracle`, see `mmad-rag eval`")
    print_table(decomposition_table(summary.decomposition))
