"""`mmad-rag score` and `mmad-rag rescore`: numbers from what was answered."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.benchmark.score.rules import RULES_SAID, Rule
from mmad_rag.cli.console import note, out, print_json, print_table
from mmad_rag.cli.options import JsonOption
from mmad_rag.cli.sources import AnsweredOption, AnswersDataOption, read_source
from mmad_rag.errors import DataError

if TYPE_CHECKING:
    from mmad_rag.benchmark.run.records import Run


class Group(StrEnum):
    """What a row of a table of scores is."""

    DATASET = "dataset"
    PRODUCT = "product"


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
        Group, typer.Option("--by", help="One row per dataset, or per product (rule fixed).")
    ] = Group.DATASET,
    hard: Annotated[bool, typer.Option("--hard", help="Only the hard subset of the run.")] = False,
    answered: AnsweredOption = False,
    data: AnswersDataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score a run or an answers file by a named rule."""
    from mmad_rag.benchmark.score.answers_file import read_answers
    from mmad_rag.benchmark.score.score import score_answers, score_run
    from mmad_rag.report.tables.scores import detection_line, readings_of, score_notes, score_table

    whole = answers.is_dir()
    if not whole and (hard or answered):
        raise DataError(f"{answers} is not a run folder: --hard and --answered need one")
    if whole or by is Group.PRODUCT or data is not None:
        run = read_source(answers, answered=answered, data=data)
        if hard:
            run = _hard_part(run)
        tables = {
            arm.name if whole else answers.name: score_run(
                run.rows,
                run.questions,
                rule,
                arm.name,
                by_product=by is Group.PRODUCT,
                columns=run.columns,
            )
            for arm in run.header.arms
        }
    else:
        tables = {answers.name: score_answers(read_answers(answers), rule, name=str(answers))}
    if as_json:
        print_json(tables if whole else tables[answers.name])
        return
    for name, table in tables.items():
        for reading, read in readings_of(table):
            print_table(score_table(read, name, reading))
            if line := detection_line(read):
                out().print(line, markup=False, soft_wrap=True)
        for remark in score_notes(table):
            note(remark)


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


def _hard_part(run: Run) -> Run:
    if run.hard is None:
        raise DataError(f"the run {run.folder} was begun without a hard subset; leave --hard out")
    part = run.only(run.hard.questions)
    if not part.questions:
        raise DataError(f"the run {run.folder} asks no question of the hard subset; leave --hard out")
    return part
