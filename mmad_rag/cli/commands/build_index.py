"""`mmad-rag build-index`: product files to an index folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.cli.commands.calibrate import note_lost_calibration
from mmad_rag.cli.console import note, out, print_json, progress_bar
from mmad_rag.cli.options import DEFAULT_INDEX, JsonOption
from mmad_rag.encoders import DEFAULT_ENCODER, load_encoder
from mmad_rag.encoders.default_text import AUTO, WORDS, choose_text_encoder
from mmad_rag.errors import IndexMismatchError

if TYPE_CHECKING:
    from mmad_rag.index import KnowledgeIndex


def build_index(
    knowledge: Annotated[
        Path | None,
        typer.Argument(help="Folder of <product>.yaml files; without one, the knowledge that ships."),
    ] = None,
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
        str,
        typer.Option(
            "--text-encoder",
            help="What passages are found by: a spec as above, words (BM25, no model), or auto "
            "(all-MiniLM-L6-v2 where it can be had, else words; words beside builtin:tiny).",
        ),
    ] = AUTO,
    references: Annotated[
        Path | None,
        typer.Option("--references", help="Folder of normal images: <product>/*.png, or MMAD's layout."),
    ] = None,
    references_per_product: Annotated[
        int | None, typer.Option("--references-per-product", min=1, help="Use at most this many per product.")
    ] = None,
    defect_references: Annotated[
        Path | None,
        typer.Option("--defect-references", help="Folder of images of defects: <product>/<defect>/*.png."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Embed everything again; take nothing over from the index there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Embed a knowledge folder into a FAISS-searchable index.

    Onto an index of the same encoder it embeds only what is new or changed.
    """
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.index.build.defect_references import find_defect_references
    from mmad_rag.index.build.reuse import reuse_of
    from mmad_rag.index.folder.write import refuse_foreign
    from mmad_rag.knowledge import load_knowledge
    from mmad_rag.knowledge.shipped import shipped_knowledge

    refuse_foreign(out_folder)
    older = _older(out_folder)
    base = load_knowledge(knowledge if knowledge is not None else shipped_knowledge())
    loaded = load_encoder(encoder)
    text = choose_text_encoder(text_encoder, loaded)
    if text.reason:
        note(text.reason)
    with progress_bar() as progress:
        index = KnowledgeIndex.build(
            base,
            loaded,
            text_encoder=text.encoder or WORDS,
            references=references,
            references_per_product=references_per_product,
            defect_references=defect_references,
            reuse=None if fresh else older,
            progress=progress,
        )
        index = _calibrated(index, older)
        index.save(out_folder)
    manifest = index.manifest
    reuse = reuse_of(index, None if fresh else older)
    if as_json:
        print_json(
            {
                "index": out_folder,
                "fingerprint": index.fingerprint,
                "vectors": reuse,
                **manifest.model_dump(mode="json"),
            }
        )
    else:
        counts = manifest.counts
        out().print(
            f"{out_folder}: {counts.products} products, {counts.passages} passages, {counts.keys} text keys, "
            f"{_images(index)} reference images, by {manifest.encoder.spec}",
            markup=False,
        )
        if older is not None and not fresh:
            out().print(
                f"{reuse.taken_over} vectors taken over from the index that was there, "
                f"{reuse.embedded} embedded"
            )
    if defect_references is not None:
        found = find_defect_references(defect_references, base.products)
        if found.ambiguous:
            note(
                f"{found.ambiguous} image(s) of defects left out: their folder stands for several defects, "
                "so it is not known which one they show"
            )
    _note_losses(index, older, references, defect_references)
    _note_uncovered(index)


def _calibrated(index: KnowledgeIndex, older: KnowledgeIndex | None) -> KnowledgeIndex:
    """With the calibration of an older index of the same contents, else with one fitted on the references."""
    from mmad_rag.retrieve.routing.calibrate import calibrated, with_calibration

    before = older.manifest.calibration if older is not None else None
    if older is not None and before is not None:
        if with_calibration(index, before).fingerprint == older.fingerprint:
            return with_calibration(index, before)
        note_lost_calibration(before)
    return calibrated(index)


def _older(folder: Path) -> KnowledgeIndex | None:
    """The index that is there, if there is one that can be used."""
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.index.folder.read import MANIFEST

    if not (folder / MANIFEST).exists():
        return None
    try:
        return KnowledgeIndex.load(folder)
    except IndexMismatchError as error:
        reason, _, _ = str(error).partition("; build it again")
        note(f"every vector is embedded again: {reason}")
        return None


def _note_losses(
    index: KnowledgeIndex, older: KnowledgeIndex | None, references: Path | None, defects: Path | None
) -> None:
    """Say when images are gone because their folder was not given again."""
    from mmad_rag.records import NORMAL_ENTRY

    if older is None:
        return
    here = {(item.product, item.entry, item.digest) for item in index.references}
    gone = {
        (item.product, item.entry, item.digest) for item in older.references if item.product in index.products
    } - here
    for folder, flag, lost in (
        (references, "--references", sum(entry == NORMAL_ENTRY for _, entry, _ in gone)),
        (defects, "--defect-references", sum(entry != NORMAL_ENTRY for _, entry, _ in gone)),
    ):
        if folder is None and lost:
            note(
                f"{lost} reference image(s) of the index that was there are gone, as no {flag} was given; "
                "give the folder again to have them back"
            )


def _note_uncovered(index: KnowledgeIndex) -> None:
    """Say which products have no reference image where others have."""
    without = sorted(set(index.products) - {reference.product for reference in index.references})
    if index.references and without:
        note(f"no reference image for {len(without)} product(s): {', '.join(without)}")
        if not index.keys:
            note("these can never be routed to, as the encoder has no text tower: add references")


def _images(index: KnowledgeIndex) -> int:
    """Reference images, each counted once however many views it has."""
    return len({(item.product, item.entry, item.digest) for item in index.references})
