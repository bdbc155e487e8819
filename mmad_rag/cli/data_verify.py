"""`mmad-rag data verify`: what is missing, damaged or doubtful in a data folder."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.cli.console import note, out, plain, print_json, progress_bar
from mmad_rag.cli.options import JsonOption

if TYPE_CHECKING:
    from mmad_rag.benchmark.dataset.findings import DataReport

_SHOWN = 10
"""Findings of a kind that the terminal shows."""


def verify(
    folder: Annotated[Path, typer.Argument(help="Folder that holds mmad.json and the pictures.")],
    fast: Annotated[
        bool, typer.Option("--fast", help="Open no picture: only whether files are there, and mmad.json.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that the data is whole: pictures, hashes, duplicates, known errata.

    Exit code 1 when something must be done; what is merely doubtful is told, and leaves the exit code at 0.
    """
    from mmad_rag.benchmark.dataset.verify import verify_data

    with progress_bar() as bar:
        report = verify_data(
            folder, fast=fast, progress=lambda done, total: bar("looking at files", done, total)
        )
    if as_json:
        print_json({**plain(report), "must_act": report.must_act})
    else:
        _print(report)
    if report.must_act:
        note(
            "something must be done: `mmad-rag data download` fetches what is missing, "
            "with --replace also what is wrong"
        )
        raise typer.Exit(1)


def _print(report: DataReport) -> None:
    def line(text: str) -> None:
        out().print(text, markup=False, soft_wrap=True)

    read = "no picture opened" if report.fast else f"{report.opened:,} pictures opened"
    line(
        f"{report.folder}: {report.questions:,} questions about {report.images:,} images; {read}, "
        f"{report.hashed:,} files compared with their hashes, {len(report.unused):,} files unused"
    )
    counts = Counter(finding.kind for finding in report.findings)
    for kind, count in counts.items():
        line(f"{kind.value}: {count:,}")
        named = [finding for finding in report.findings if finding.kind is kind]
        for finding in named[:_SHOWN]:
            line(f"  {finding.name}" + (f": {finding.detail}" if finding.detail else ""))
        if count > _SHOWN:
            line(f"  and {count - _SHOWN:,} more; --json lists all")
    if not counts:
        line("nothing is missing, damaged or doubtful")
