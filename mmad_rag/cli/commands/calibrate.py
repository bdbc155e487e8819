"""`mmad-rag calibrate`: fit an index's probabilities and keep them in its manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmad_rag.cli.console import note, out, print_json, progress_bar
from mmad_rag.cli.options import DEFAULT_INDEX, EncoderOption, JsonOption
from mmad_rag.errors import InputError

if TYPE_CHECKING:
    from mmad_rag.index.data import IndexData
    from mmad_rag.index.manifest import Calibration
    from mmad_rag.retrieve.routing.leave_one_out import LabelledVector

_MANY_WRONG = 0.2
_USUAL_THRESHOLD = 0.5
_SHOWN = 3


def calibrate(
    index_folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Index folder, as built by `mmad-rag build-index`.")
    ] = DEFAULT_INDEX,
    images: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help="Folder of labelled images: <product>/**/*.png, unknown/*.png, or MMAD's layout. "
            "Without it, the index's own references are used, each left out in turn.",
        ),
    ] = None,
    known_share: Annotated[
        float | None,
        typer.Option(
            "--known-share",
            min=0.01,
            max=0.99,
            help="Share of images that show a catalogued product; else as among the images, or 0.75.",
        ),
    ] = None,
    recall: Annotated[
        float | None,
        typer.Option(
            "--recall",
            min=0.01,
            max=1.0,
            help="Accept this share of the known images; else a threshold of 0.5 on the probability.",
        ),
    ] = None,
    encoder: EncoderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the confidence of routing and write it into the index's manifest.

    Measure what it is worth on other images with `mmad-rag eval-retrieval`.
    """
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.index.folder.write import update_index
    from mmad_rag.retrieve.routing.calibrate import (
        KNOWN_SHARE,
        calibrate_by_leaving_out,
        calibrate_on,
        with_calibration,
    )

    index = KnowledgeIndex.load(index_folder)
    labelled = None if images is None else _labelled(index, images, encoder)
    if labelled is not None:
        _note_labels(index, labelled)

    def fit(found: IndexData) -> IndexData:
        """On what is in the folder when it is written, whatever it was when this began."""
        if labelled is not None:
            fitted: Calibration | None = calibrate_on(found, labelled, known_share=known_share, recall=recall)
        else:
            share = KNOWN_SHARE if known_share is None else known_share
            fitted = calibrate_by_leaving_out(found, known_share=share, recall=recall)
        if fitted is None:
            raise InputError(
                f"{index_folder} has too few reference images to calibrate on; give --images, "
                "or build it with --references"
            )
        return with_calibration(found, fitted)

    changed = update_index(index_folder, fit)
    fitted = changed.manifest.calibration
    assert fitted is not None  # noqa: S101 (written above)
    if as_json:
        print_json(
            {
                "index": index_folder,
                "fingerprint": changed.fingerprint,
                "calibration": fitted.model_dump(mode="json"),
            }
        )
        return
    _print(index_folder, fitted)


def note_lost_calibration(before: Calibration) -> None:
    """Say when a change of an index took a calibration with it that nobody can make again by himself."""
    if before.method == "labelled" or before.threshold != _USUAL_THRESHOLD:
        note(
            f"the calibration ({before.method}, threshold {before.threshold:.3f}) does not fit the changed "
            "index; one on its references stands there now: run `mmad-rag calibrate` again"
        )


def _labelled(index: IndexData, folder: Path, encoder: str | None) -> list[LabelledVector]:
    """The folder's images by their vectors."""
    from mmad_rag.images import open_image
    from mmad_rag.retrieval_eval.images import find_images
    from mmad_rag.retrieve import ClipRetriever
    from mmad_rag.retrieve.routing.leave_one_out import LabelledVector

    found = find_images(folder, index.products)
    for reason, names in found.left_out.items():
        note(f"{len(names)} image(s) left out: {reason.value}")
    retriever = ClipRetriever(index, encoder=encoder)
    vectors = []
    with progress_bar() as progress:
        for number, image in enumerate(found.images, start=1):
            vector = retriever.vector(open_image(image.path))
            vectors.append(LabelledVector(vector, image.digest, image.product))
            progress("embedding images", number, len(found.images))
    return vectors


def _note_labels(index: IndexData, labelled: Sequence[LabelledVector]) -> None:
    """Say how many images rank the product first that they are labelled with: wrong labels spoil a fit."""
    from mmad_rag.retrieve.routing.router import Router

    router = Router(index)
    known = [image for image in labelled if image.product is not None]
    routes = [router.route(image.vector, {image.digest}) for image in known]
    wrong = [
        (image, route.candidates[0].product if route.candidates else "nothing")
        for image, route in zip(known, routes, strict=True)
        if not route.candidates or route.candidates[0].product != image.product
    ]
    note(f"{len(known) - len(wrong)} of {len(known)} labelled images rank their own product first")
    if len(wrong) > _MANY_WRONG * len(known):
        examples = ", ".join(f"{image.product} taken for {named}" for image, named in wrong[:_SHOWN])
        note(f"many do not ({examples}): check the labels")


def _print(folder: Path, fitted: Calibration) -> None:
    fits = (("references", fitted.reference), ("references and text", fitted.both), ("text", fitted.text))
    missing = [name for name, fit in fits if fit is None]
    out().print(
        f"{folder}: calibrated on {fitted.images} images ({fitted.method}), "
        f"threshold {fitted.threshold:.3f} at {fitted.known_share:.0%} of images known",
        markup=False,
        soft_wrap=True,
    )
    if missing:
        note(f"nothing to fit for routing by {', '.join(missing)}: rules of thumb stay there")
