"""`mmad-rag knowledge`: the product files."""

from __future__ import annotations

import datetime as dt
import difflib
from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import note, out, print_json, print_table
from mmad_rag.cli.options import JsonOption
from mmad_rag.errors import KnowledgeError

knowledge_app = typer.Typer(help="The product files.", no_args_is_help=True)

_FOLDER = Path("knowledge")


@knowledge_app.command("lint")
def lint(
    folder: Annotated[Path, typer.Argument(help="Folder of <product>.yaml files.")],
    as_json: JsonOption = False,
) -> None:
    """Check every product file.

    Prints what each covers, and each problem with file, line and field; exit code 1 when there is one.
    """
    from mmad_rag.knowledge.lint import lint as lint_folder
    from mmad_rag.report.tables.coverage import coverage_rows, coverage_table

    report = lint_folder(folder)
    if as_json:
        print_json({"problems": report.problems, "coverage": coverage_rows(report.files)})
    else:
        print_table(coverage_table(report.files))
        for problem in report.problems:
            note(str(problem))
        if not report.problems:
            note(f"{len(report.files)} product file(s), nothing to mend")
    if report.problems:
        note(f"{len(report.problems)} problem(s) to mend")
        raise typer.Exit(1)


@knowledge_app.command("new")
def new(
    product: Annotated[str, typer.Argument(help="Lower-case words joined by underscores, e.g. gear_wheel.")],
    folder: Annotated[Path, typer.Option("--out", help="Knowledge folder that the file goes to.")] = _FOLDER,
    name: Annotated[
        str | None, typer.Option("--name", help='What fits "a photo of a ..."; else made of PRODUCT.')
    ] = None,
    images: Annotated[
        Path | None, typer.Option("--images", help="Folder of normal images, used as references.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Start a product file.

    Writes a commented template that holds all that can be known without its author; nothing is overwritten.
    """
    from mmad_rag.knowledge.new import new_product

    written = new_product(product, folder, today=_today(), name=name, images=images)
    if as_json:
        print_json(written)
        return
    console = out()
    console.print(f"{written.path}: written", markup=False, soft_wrap=True)
    if written.references:
        where = f"{written.copied} of them copied into {folder}" if written.copied else "where they lie"
        console.print(
            f"{len(written.references)} reference images listed, {where}", markup=False, soft_wrap=True
        )
    console.print(
        f"next: replace every TODO in it, then run `mmad-rag knowledge lint {folder}`",
        markup=False,
        soft_wrap=True,
    )


@knowledge_app.command("show")
def show(
    product: Annotated[str, typer.Argument(help="The product's name.")],
    folder: Annotated[Path, typer.Option("--knowledge", help="Folder of <product>.yaml files.")] = _FOLDER,
    as_json: JsonOption = False,
) -> None:
    """Print all that is known of a product.

    Its keys, each passage with its id and its tokens, and where the text comes from.
    """
    from mmad_rag.knowledge import product_paths, read_product
    from mmad_rag.report.product import product_lines, product_view

    paths = {path.stem: path for path in product_paths(folder)}
    if product not in paths:
        near = difflib.get_close_matches(product, paths, n=3, cutoff=0.4) or sorted(paths)[:3]
        raise KnowledgeError(f"there is no product {product!r} in {folder}; there are {', '.join(near)}")
    file, problems = read_product(paths[product])
    for problem in problems:
        note(str(problem))
    if file is None:
        raise KnowledgeError(f"{paths[product]} cannot be shown; mend what is named above")
    if as_json:
        print_json(product_view(file))
        return
    console = out()
    for line in product_lines(file):
        console.print(line)


@knowledge_app.command("import-mmad")
def import_mmad(
    file: Annotated[Path, typer.Argument(help="MMAD's domain_knowledge.json.")],
    folder: Annotated[
        Path, typer.Option("--out", help="New or empty folder, or one that holds earlier imports only.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Import MMAD's published knowledge.

    One product file per product, every text kept whole, under the licence of MMAD.
    """
    from mmad_rag.knowledge.mmad_import import LICENCE
    from mmad_rag.knowledge.mmad_import import import_mmad as import_file

    base = import_file(file, folder, today=_today())
    entries = sum(len(product.normal.appearance) + len(product.defects) for product in base.products)
    if as_json:
        print_json({"knowledge": folder, "products": len(base.products), "entries": entries})
        return
    out().print(
        f"{folder}: {len(base.products)} products, {entries} entries, licence {LICENCE}",
        markup=False,
        soft_wrap=True,
    )


@knowledge_app.command("schema")
def schema(
    file: Annotated[Path | None, typer.Option("--out", help="Write it to this file instead.")] = None,
) -> None:
    """Print the JSON Schema for editors."""
    from mmad_rag.knowledge.json_schema import product_schema, schema_text

    if file is None:
        print_json(product_schema())
        return
    try:
        file.write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise KnowledgeError(f"{file} cannot be written ({error.strerror}); choose another --out") from None
    out().print(f"{file}: written", markup=False, soft_wrap=True)


def _today() -> dt.date:
    """The date where the command is run."""
    return dt.datetime.now().astimezone().date()
