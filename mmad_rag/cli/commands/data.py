"""`mmad-rag data`: benchmark data on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import out, print_json, progress_bar
from mmad_rag.cli.data_download import download
from mmad_rag.cli.data_verify import verify
from mmad_rag.cli.options import JsonOption

data_app = typer.Typer(help="Benchmark data on disk.", no_args_is_help=True)
data_app.command("download")(download)
data_app.command("verify")(verify)


@data_app.command("sample")
def sample(
    folder: Annotated[Path, typer.Argument(help="Where the sample goes: an empty or new folder.")],
    seed: Annotated[int, typer.Option(help="Another seed draws other pictures of the same kind.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Render the shipped sample: a small benchmark in MMAD's layout, drawn by this library."""
    from mmad_rag.benchmark.sample import render_sample

    with progress_bar() as progress:
        summary = render_sample(
            folder, seed=seed, progress=lambda done, total: progress("drawing", done, total)
        )
    if as_json:
        print_json(summary)
        return
    pictures = (
        f"{summary.good} normal and {summary.defective} defective pictures, {summary.templates} templates"
    )
    out().print(
        f"{folder}: {summary.products} products, {pictures}, {summary.questions} questions, "
        f"{summary.unknown} pictures of other things",
        markup=False,
    )
