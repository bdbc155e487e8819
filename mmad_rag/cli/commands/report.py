"""`mmad-rag report`: a run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import note, out
from mmad_rag.errors import DataError


def report(
    run_folder: Annotated[
        Path, typer.Argument(help="A run folder, or an answers file as MMAD's scripts write it.")
    ],
    out_file: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Where the page goes.", show_default="RUN/report.html, or ANSWERS.report.html"
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Data folder with the images; of an answers file, all its questions count.",
            show_default="the one that the run was given",
        ),
    ] = None,
    flips: Annotated[
        int, typer.Option(min=0, help="Questions to show that turned right, and as many that turned wrong.")
    ] = 8,
    baseline: Annotated[str, typer.Option(help="The arm to compare with.")] = "none",
    arm: Annotated[
        str | None,
        typer.Option(help="The arm that the page is about.", show_default="rag, or else the first other"),
    ] = None,
    replicates: Annotated[int, typer.Option(min=1, help="Bootstrap draws of images.")] = 2_000,
    margin: Annotated[float, typer.Option(min=0, help="Percentage points that do not matter.")] = 1.0,
    seed: Annotated[
        int, typer.Option(help="Seed for bootstrap draws and for the questions that are shown.")
    ] = 0,
) -> None:
    """Write a run as one HTML page.

    It shows scores, gains, and the questions whose outcome changed, and fetches nothing.

    Of an unfinished run the page shows the questions that every arm has answered.
    """
    from mmad_rag.benchmark.analysis.summary import summarise
    from mmad_rag.benchmark.run.reader import answered_part
    from mmad_rag.cli.sources import read_source
    from mmad_rag.report.html.page import PAGE_FILE, render_page, write_page

    if data is not None and not data.is_dir():
        raise DataError(f"there is no data folder at {data}; give the folder that holds mmad.json")
    whole = read_source(run_folder, data=None if run_folder.is_dir() else data)
    run = whole if whole.answers_file else answered_part(whole)
    if not run.questions:
        raise DataError(f"{run_folder} has no question that every arm has answered; let it go on")
    notices = []
    if len(run.questions) < len(whole.questions):
        notices.append(
            f"The run is not finished: {len(run.questions):,} of {len(whole.questions):,} questions are "
            "answered in every arm, and only these are shown. Which ones came first is not a random draw."
        )
    summary = summarise(run, baseline=baseline, replicates=replicates, margin=margin, seed=seed)
    html = render_page(
        run, summary, baseline=baseline, arm=arm, data=data, flips=flips, seed=seed, notices=notices
    )
    beside = run_folder.with_suffix(f".{PAGE_FILE}") if whole.answers_file else run_folder / PAGE_FILE
    target = out_file if out_file is not None else beside
    write_page(html, target)
    for line in notices:
        note(line)
    out().print(str(target), markup=False, soft_wrap=True)
