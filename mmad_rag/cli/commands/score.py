"""`mmad-rag score` and `mmad-rag compare`: numbers from what was answered."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.benchmark.score.rules import RULES_SAID, Rule
from mmad_rag.cli.console import note, out, print_json, print_table
from mmad_rag.cli.options import JsonOption, PricesOption
from mmad_rag.cli.summary import print_decomposition, print_summary
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.benchmark.run.records import Run


class Group(StrEnum):
    """What a row of a table of scores is."""

    DATASET = "dataset"
    PRODUCT = "product"


AnsweredOption = Annotated[
    bool,
    typer.Option(
        "--answered", help="Take only the questions of an unfinished run that every arm has answered."
    ),
]
RunArgument = Annotated[Path, typer.Argument(help="Run folder, as written by `mmad-rag eval`.")]


def score(
    answers: Annotated[
        Path, typer.Argument(help="A run folder, or an answers file as MMAD's scripts write it.")
    ],
    rule: Annotated[
        Rule,
        typer.Option(help=" ".join(f"{name}: {said}." for name, said in RULES_SAID.items())),
    ] = Rule.FIXED,
    by: Annotated[
        Group, typer.Option("--by", help="One row per dataset, or per product (rule fixed, runs only).")
    ] = Group.DATASET,
    hard: Annotated[bool, typer.Option("--hard", help="Only the hard subset of the run.")] = False,
    answered: AnsweredOption = False,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with mmad.json: all its questions count, answered or not."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run or an answers file by a named rule."""
    from mmad_rag.benchmark.data.mmad import load_questions
    from mmad_rag.benchmark.score.answers_file import ARM, answers_as_rows, read_answers
    from mmad_rag.benchmark.score.score import score_answers, score_run
    from mmad_rag.report.tables.scores import detection_line, readings_of, score_notes, score_table

    if answers.is_dir() and data is not None:
        raise DataError(f"the run in {answers} holds its questions itself; leave --data out")
    if answers.is_dir():
        run = _read(answers, answered=answered)
        if hard:
            run = _hard_part(run)
        tables = {
            arm.name: score_run(
                run.rows,
                run.questions,
                rule,
                arm.name,
                by_product=by is Group.PRODUCT,
                columns=run.columns,
            )
            for arm in run.header.arms
        }
    elif by is Group.PRODUCT or hard or answered:
        raise DataError(f"{answers} is not a run folder: --by product, --hard and --answered need one")
    elif data is not None:
        asked = load_questions(data).questions
        rows = answers_as_rows(read_answers(answers), asked, name=str(answers))
        tables = {answers.name: score_run(rows, asked, rule, ARM)}
    else:
        tables = {answers.name: score_answers(read_answers(answers), rule, name=str(answers))}
    if as_json:
        print_json(tables if answers.is_dir() else tables[answers.name])
        return
    for name, table in tables.items():
        for reading, read in readings_of(table):
            print_table(score_table(read, name, reading))
            if line := detection_line(read):
                out().print(line, markup=False, soft_wrap=True)
        for remark in score_notes(table):
            note(remark)


def compare(
    run_folder: RunArgument,
    other: Annotated[
        Path | None,
        typer.Argument(
            help="A second run: its arms are compared with those of the first that have the same name."
        ),
    ] = None,
    baseline: Annotated[str, typer.Option(help="The arm to compare with.")] = "none",
    replicates: Annotated[int, typer.Option(min=1, help="Bootstrap draws of images.")] = 2_000,
    margin: Annotated[float, typer.Option(min=0, help="Percentage points that do not matter.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed for bootstrap draws.")] = 0,
    decompose: Annotated[
        bool, typer.Option("--decompose", help="Only what the gain is made of, by the arms of the run.")
    ] = False,
    answered: AnsweredOption = False,
    prices: PricesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the arms of a run, paired by question.

    Every difference has a 95 % interval and a verdict.

    With a second run, compare the arms that both have; runs that were not asked the same questions in the
    same way are refused, and what differs is named.
    """
    from mmad_rag.benchmark.analysis.summary import summarise, summarise_two
    from mmad_rag.models.prices import load_prices

    run = _read(run_folder, answered=answered)
    if other is not None:
        if decompose:
            raise DataError("--decompose takes one run apart; leave the second run out")
        second = _read(other, answered=answered)
        two = summarise_two(run, second, replicates=replicates, margin=margin, seed=seed)
        if as_json:
            print_json(two)
            return
        for line in two.differences:
            note(line)
        print_summary(two.summary)
        return
    summary = summarise(
        run, baseline=baseline, replicates=replicates, margin=margin, seed=seed, prices=load_prices(prices)
    )
    if as_json:
        print_json(summary.decomposition if decompose else summary)
    elif decompose:
        print_decomposition(summary)
    else:
        print_summary(summary)


def rescore(
    run_folder: RunArgument,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the replies of a run again with this parser."""
    from mmad_rag.benchmark.run.rescore import rescore as read_again

    found = read_again(run_folder, write=not dry_run)
    if as_json:
        print_json(found)
        return
    for item in found.changed:
        turned = f", rotation {item.rotation}" if item.rotation else ""
        out().print(
            f"{item.question}, {item.arm}{turned}: {item.before or 'no choice'} -> "
            f"{item.after or 'no choice'}",
            markup=False,
            soft_wrap=True,
        )
    note(
        f"{len(found.changed)} of {found.replies} replies are read differently by parser "
        f"{found.parser_after} than by parser {found.parser_before}"
        + ("; nothing was written" if dry_run else "")
    )
    if found.unexplained:
        note(
            f"{found.unexplained:,} replies have no text, and it is not recorded why; earlier versions kept "
            "errors of an endpoint like this: `mmad-rag eval` with --retry-empty, and else as the run was "
            "begun, asks them again"
        )


def _read(folder: Path, *, answered: bool) -> Run:
    from mmad_rag.benchmark.run.reader import answered_part, read_run

    run = read_run(folder)
    if not answered:
        return run
    part = answered_part(run)
    if not part.questions:
        raise DataError(f"{folder} has no question that every arm has answered; let it go on")
    note(f"{len(part.questions)} of {len(run.questions)} questions of {folder} are answered in every arm")
    return part


def _hard_part(run: Run) -> Run:
    if run.hard is None:
        raise DataError(f"the run {run.folder} was begun without a hard subset; leave --hard out")
    part = run.only(run.hard.questions)
    if not part.questions:
        raise DataError(f"the run {run.folder} asks no question of the hard subset; leave --hard out")
    return part
