"""`mmad-rag build-index`: product files to an index folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmad_rag.cli.console import note, out, print_json, progress_bar
from mmad_rag.cli.options import DEFAULT_INDEX, JsonOption
from mmad_rag.encoders import DEFAULT_ENCODER


def build_index(
    knowledge: Annotated[Path, typer.Argument(help="Folder of <product>.yaml files.")],
    out_folder: Annotated[Path, typer.Option("--out", help="Where the index goes.")] = DEFAULT_INDEX,
    encoder: Annotated[
        str,
        typer.Option(
            "--encoder",
            help="open_clip:ARCH/TAG or ARCH@FILE, sentence_transformers:NAME or @FOLDER, "
            "timm:ARCH@FILE, builtin:tiny.",
        ),
    ] = DEFAULT_ENCODER,
    text_encoder: Annotated[
        str | None, typer.Option("--text-encoder", help="Another encoder for the passages.")
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option("--references", help="Folder of normal pictures: <product>/*.png, or MMAD's layout."),
    ] = None,
    references_per_product: Annotated[
        int | None, typer.Option("--references-per-product", min=1, help="Use at most this many per product.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Embed a knowledge folder into a FAISS-searchable index."""
    from mmad_rag.index import KnowledgeIndex

    with progress_bar() as progress:
        index = KnowledgeIndex.build(
            knowledge,
            encoder,
            text_encoder=text_encoder,
            references=references,
            references_per_product=references_per_product,
            progress=progress,
        )
        index.save(out_folder)
    manifest = index.manifest
    if as_json:
        print_json(
            {"index": out_folder, "fingerprint": index.fingerprint, **manifest.model_dump(mode="json")}
        )
        return
    counts = manifest.counts
    out().print(
        f"{out_folder}: {counts.products} products, {counts.passages} passages, {counts.keys} text keys, "
        f"{counts.references} reference pictures, by {manifest.encoder.spec}"
    )
    without = sorted(set(index.products) - {reference.product for reference in index.references})
    if index.references and without:
        note(f"no reference picture for {len(without)} product(s): {', '.join(without)}")
        if not index.keys:
            note("these can never be routed to, as the encoder has no text tower: add references")
