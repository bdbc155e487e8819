"""`mmad-rag eval-retrieval`: how right, how sure and how honest the routing of an index is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import note, out, plain, print_json, progress_bar
from mmad_rag.cli.options import DEFAULT_INDEX, EncoderOption, IndexOption, JsonOption
from mmad_rag.errors import InputError
from mmad_rag.images.perturb import CHANGES


def eval_retrieval(
    data: Annotated[
        Path,
        typer.Argument(
            help="Labelled images: <product>/**/*.png or MMAD's layout; unknown/ holds other things."
        ),
    ],
    index_folder: IndexOption = DEFAULT_INDEX,
    encoder: EncoderOption = None,
    changes: Annotated[
        str,
        typer.Option("--changes", help=f"How images are changed: all, or some of {', '.join(CHANGES)}."),
    ] = "none",
    leave_product_out: Annotated[
        bool,
        typer.Option(
            "--leave-product-out", help="Also route each product's images by an index that lacks it."
        ),
    ] = False,
    references_per_product: Annotated[
        str,
        typer.Option(
            "--references-per-product",
            help="Repeat everything with at most this many references a product, e.g. 1,2,4,8.",
        ),
    ] = "",
    out_folder: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for figures, tables and images; it also keeps the images' vectors."
        ),
    ] = None,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Write no PNG files.")] = False,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed for the changes and for the choice of references.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Measure routing on labelled images."""
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.report.routing_files import write_retrieval
    from mmad_rag.report.routing_plots import check_plots, draw_retrieval
    from mmad_rag.report.tables.routing import retrieval_notes, retrieval_tables
    from mmad_rag.report.terminal import terminal_table
    from mmad_rag.retrieval_eval import evaluate_retrieval, parse_changes

    names = parse_changes(changes)
    numbers = _numbers(references_per_product)
    drawn = out_folder is not None and not no_plots
    if drawn:
        check_plots()
    index = KnowledgeIndex.load(index_folder)
    with progress_bar() as progress:
        evaluation = evaluate_retrieval(
            index,
            data,
            encoder=encoder,
            changes=names,
            leave_product_out=leave_product_out,
            references_per_product=numbers,
            vectors=out_folder / "vectors" if out_folder else None,
            seed=seed,
            progress=progress,
        )
    if out_folder is not None:
        text = json.dumps(plain(evaluation.result), ensure_ascii=False, indent=2, allow_nan=False)
        written = write_retrieval(evaluation, out_folder, text + "\n")
        if drawn:
            written += draw_retrieval(evaluation.result, out_folder)
        note(f"{out_folder}: {', '.join(path.name for path in written)}")
    if as_json:
        print_json(evaluation.result)
        return
    for line in retrieval_notes(evaluation.result):
        note(line)
    for table in retrieval_tables(evaluation.result):
        out().print(terminal_table(table))
        out().print()


def _numbers(text: str) -> tuple[int, ...]:
    """`1,2,4` as numbers, in the order given, each once."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    for part in parts:
        if not part.isdecimal() or int(part) < 1:
            raise InputError(
                f"--references-per-product {text!r} holds {part!r}; give numbers such as 1,2,4,8"
            )
    return tuple(dict.fromkeys(int(part) for part in parts))
