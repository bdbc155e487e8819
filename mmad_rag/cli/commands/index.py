"""`mmad-rag index`: look at an index folder, check it, change it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from mmad_rag.cli.commands.calibrate import note_lost_calibration
from mmad_rag.cli.console import note, out, print_json
from mmad_rag.cli.options import JsonOption

if TYPE_CHECKING:
    from mmad_rag.index.data import IndexData

index_app = typer.Typer(help="Index folders.", no_args_is_help=True)

FolderArgument: TypeAlias = Annotated[
    Path, typer.Argument(metavar="DIR", help="Index folder, as built by `mmad-rag build-index`.")
]


@index_app.command("show")
def show(folder: FolderArgument, as_json: JsonOption = False) -> None:
    """Show what an index holds: counts, encoder, and what there is of each product."""
    from mmad_rag.index import KnowledgeIndex

    index = KnowledgeIndex.load(folder)
    rows = _rows(index)
    manifest = index.manifest
    if as_json:
        print_json(
            {
                "index": folder,
                "fingerprint": index.fingerprint,
                **manifest.model_dump(mode="json"),
                "products": rows,
                "references": index.references,
            }
        )
        return
    from rich.table import Table

    passages_by = manifest.text_encoder.spec if manifest.text_encoder else "their words"
    counts = manifest.counts
    out().print(
        f"{folder}: {counts.products} products, {counts.passages} passages, {counts.keys} text keys, "
        f"{sum(row.references + row.defect_references for row in rows)} reference images\n"
        f"images and keys by {manifest.encoder.spec} ({manifest.encoder.dim} numbers), "
        f"passages by {passages_by}\n"
        f"views of each reference: {', '.join(manifest.recipe.views)}\n"
        f"fingerprint {index.fingerprint}",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("product", overflow="fold")
    for heading in ("normal references", "defect references", "keys", "passages"):
        table.add_column(heading, justify="right")
    for row in rows:
        numbers = (row.references, row.defect_references, row.keys, row.passages)
        table.add_row(row.product, *map(str, numbers))
    out().print(table)


@index_app.command("verify")
def verify(
    folder: FolderArgument,
    knowledge: Annotated[
        Path | None, typer.Option("--knowledge", help="Also compare with the product files of this folder.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="Also load this encoder and compare its fingerprint.")
    ] = None,
    text_encoder: Annotated[
        str | None, typer.Option("--text-encoder", help="Likewise for the encoder of the passages.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every byte, count, order and vector of an index.

    Lists every finding; exit code 1 when there is one.
    """
    from mmad_rag.encoders import load_encoder
    from mmad_rag.index.folder.verify import verify_index

    findings = verify_index(
        folder,
        knowledge=knowledge,
        encoder=load_encoder(encoder) if encoder else None,
        text_encoder=load_encoder(text_encoder) if text_encoder else None,
    )
    if as_json:
        print_json({"index": folder, "findings": findings})
    else:
        for finding in findings:
            out().print(finding, markup=False, soft_wrap=True)
        if not findings:
            out().print(f"{folder}: nothing to mend", markup=False, soft_wrap=True)
    if findings:
        note(f"{len(findings)} finding(s)")
        raise typer.Exit(1)


@index_app.command("remove")
def remove(
    folder: FolderArgument,
    product: Annotated[str, typer.Argument(metavar="PRODUCT", help="The product's name.")],
    as_json: JsonOption = False,
) -> None:
    """Take a product out of an index, with its passages, keys and references; nothing is embedded."""
    from mmad_rag.index.build.change import remove_products

    _change(folder, lambda index: remove_products(index, [product]), f"without {product}", as_json)


@index_app.command("rename")
def rename(
    folder: FolderArgument,
    old: Annotated[str, typer.Argument(metavar="OLD", help="The product's name in the index.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name.")],
    as_json: JsonOption = False,
) -> None:
    """Give a product of an index another name; nothing is embedded and no text changes."""
    from mmad_rag.index.build.change import rename_product

    index = _change(folder, lambda index: rename_product(index, old, new), f"{old} is now {new}", as_json)
    said = f"Unlike {old.replace('_', ' ')}: "
    still = sorted({passage.product for passage in index.passages if passage.text.startswith(said)})
    if still:
        note(f"the texts of {', '.join(still)} still say {old}; correct tell_apart in their product files")


def _change(folder: Path, change: Callable[[IndexData], IndexData], what: str, as_json: bool) -> IndexData:
    from mmad_rag.index.folder.write import update_index
    from mmad_rag.retrieve.routing.calibrate import calibrated

    def changed(found: IndexData) -> IndexData:
        if found.manifest.calibration is None:
            return change(found)
        note_lost_calibration(found.manifest.calibration)
        return calibrated(change(found))

    index = update_index(folder, changed)
    counts = index.manifest.counts
    if as_json:
        print_json({"index": folder, "fingerprint": index.fingerprint, "counts": counts.model_dump()})
    else:
        out().print(
            f"{folder}: {what}; {counts.products} products, {counts.passages} passages, "
            f"{counts.keys} text keys",
            markup=False,
            soft_wrap=True,
        )
    return index


@dataclass(frozen=True, slots=True)
class _ProductRow:
    """What an index holds of one product."""

    product: str
    references: int
    """Images of the normal state, each counted once however many views it has."""
    defect_references: int
    """Images of its defects, likewise."""
    keys: int
    passages: int


def _rows(index: IndexData) -> tuple[_ProductRow, ...]:
    from mmad_rag.records import NORMAL_ENTRY

    images = {(item.product, item.entry, item.digest) for item in index.references}
    normal = Counter(product for product, entry, _ in images if entry == NORMAL_ENTRY)
    defects = Counter(product for product, entry, _ in images if entry != NORMAL_ENTRY)
    keys = Counter(key.product for key in index.keys)
    return tuple(
        _ProductRow(
            product, normal[product], defects[product], keys[product], len(index.rows_of_product[product])
        )
        for product in index.products
    )
