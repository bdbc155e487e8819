"""Measure an index's retrieval on labelled images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError
from mmad_rag.images.perturb import CHANGES, UNCHANGED, change_named
from mmad_rag.index.build.embed import Progress
from mmad_rag.index.data import IndexData
from mmad_rag.index.named_encoder import chosen_by_index
from mmad_rag.retrieval_eval.confusion import confused_pairs, confusion
from mmad_rag.retrieval_eval.decide import Measured, has_evidence, measure
from mmad_rag.retrieval_eval.defects import defect_figures
from mmad_rag.retrieval_eval.embed import EmbeddedImages, VectorCache, embed_changes
from mmad_rag.retrieval_eval.images import FoundImages, Reason, find_images
from mmad_rag.retrieval_eval.latency import latencies
from mmad_rag.retrieval_eval.leave_out import leave_products_out, with_fewer_references
from mmad_rag.retrieval_eval.result import (
    RetrievalResult,
    calibrations,
    finite_thresholds,
    left_out,
    product_figures,
)
from mmad_rag.retrieval_eval.subindex import plain_references
from mmad_rag.retrieve import ClipRetriever

ALL = "all"
"""The word that selects every change."""


@dataclass(frozen=True, slots=True)
class RetrievalEvaluation:
    """A measurement with the data that it was computed from."""

    result: RetrievalResult
    """The figures."""
    measured: Measured
    """The route of each image under each change."""
    found: FoundImages
    """What the folder holds, and everything that was left out of it."""
    embedded: int
    """Number of changed images that were embedded now; the vectors of the others were stored."""


def parse_changes(text: str) -> tuple[str, ...]:
    """Parse names of changes from `none,blur` or `all`, in the order given, each once.

    Raises:
        InputError: a name is unknown, or there is no name.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names == (ALL,):
        return tuple(CHANGES)
    if not names:
        raise InputError(f"no change is named; give {ALL}, or some of {', '.join(CHANGES)}")
    for name in names:
        change_named(name)
    return names


def evaluate_retrieval(
    index: IndexData,
    data: Path,
    *,
    encoder: Encoder | str | None = None,
    changes: Sequence[str] = (UNCHANGED,),
    leave_product_out: bool = False,
    references_per_product: Sequence[int] = (),
    vectors: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> RetrievalEvaluation:
    """Route every labelled image under every change and count the results; see `RetrievalResult`.

    Args:
        index: The index to measure.
        data: Folder of labelled images (see `find_images`).
        encoder: The encoder that built the index, a spec that loads it, or None for the manifest's spec.
        changes: Names of `mmad_rag.images.perturb.CHANGES`, at least one.
        leave_product_out: Whether each product's images are also routed with an index that lacks the product.
        references_per_product: Numbers of references per product; everything is repeated with at most as
            many.
        vectors: Folder that keeps the images' vectors from one measurement to the next.
        seed: Seed for the changes, the choice of references, and the choice of images that are timed.
        progress: Called with (stage, done, total).

    Raises:
        InputError: the folder does not exist, or a change or a number of references is not valid.
        DataError: the folder holds no image of a known product, or contradicts itself.
        EncoderError: the encoder cannot be loaded, or has no image tower.
        IndexMismatchError: the encoder is not the one that built the index.
    """
    if not changes or any(number < 1 for number in references_per_product):
        raise InputError("give at least one change, and numbers of references of at least 1")
    if references_per_product and not plain_references(index).any():
        raise InputError("the index holds no reference images, so that none can be left out")
    routable = {key.product for key in index.keys} | {item.product for item in index.references}
    if leave_product_out and len(routable) < 2:
        raise InputError("the index knows one product only; none can be left out of it")
    if encoder is None:
        with chosen_by_index(index.manifest.encoder):
            loaded = load_encoder(index.manifest.encoder.spec)
    else:
        loaded = encoder if isinstance(encoder, Encoder) else load_encoder(encoder)
    ClipRetriever(index, encoder=loaded)  # refuses another encoder before hours of embedding
    found = find_images(data, index.products)
    embedded = _embed(found, changes, loaded, folder=vectors, seed=seed, progress=progress)
    images, rows = embedded.found.images, embedded.vectors
    measured = measure(index, loaded, images, rows)
    evident = has_evidence(index, images)
    lost = {image.name for image, good in zip(images, evident, strict=True) if not good}
    counted = embedded.found.without(Reason.NO_EVIDENCE, lost)
    products_out = (
        leave_products_out(index, loaded, images, rows, thresholds=measured.thresholds, progress=progress)
        if leave_product_out
        else ()
    )
    fewer = with_fewer_references(
        index, loaded, images, rows, references_per_product, seed=seed, progress=progress
    )
    timed = latencies(index, loaded, images, rows[changes[0]], seed=seed, progress=progress)
    inside = [image for image in measured.images if image.product is not None]
    result = RetrievalResult(
        index=index.fingerprint,
        encoder=index.manifest.encoder.spec,
        changes=tuple(changes),
        seed=seed,
        known=len(inside),
        outside=len(measured.images) - len(inside),
        left_out=left_out(counted),
        thresholds=finite_thresholds(measured),
        figures=measured.figures(),
        calibration=calibrations(measured),
        products=product_figures(index, measured),
        confusion=tuple(
            confusion(router, decided, index.products) for router, decided in measured.decisions.items()
        ),
        confused=tuple(
            pair
            for router, decided in measured.decisions.items()
            for pair in confused_pairs(router, decided, index.products)
        ),
        latency=timed,
        leave_product_out=products_out,
        fewer_references=fewer,
        defects=defect_figures(index),
    )
    return RetrievalEvaluation(result, measured, counted, embedded.embedded)


def _embed(
    found: FoundImages,
    changes: Sequence[str],
    encoder: Encoder,
    *,
    folder: Path | None,
    seed: int,
    progress: Progress | None,
) -> EmbeddedImages:
    """Embed the images, using and extending the vectors in the folder, even if the call is interrupted."""
    if folder is None:
        return embed_changes(found, changes, encoder, VectorCache(encoder.fingerprint, seed), progress)
    cache = VectorCache.load(folder, encoder=encoder.fingerprint, seed=seed)
    before = len(cache.vectors)
    try:
        return embed_changes(found, changes, encoder, cache, progress)
    finally:
        if len(cache.vectors) > before:
            cache.save(folder)
