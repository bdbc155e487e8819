"""Calibrate routing on the index's own references, or on labelled images."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mmad_rag.errors import InputError
from mmad_rag.index.data import IndexData
from mmad_rag.index.manifest import Calibration, ReferenceScale
from mmad_rag.retrieve.routing.fuse import fuse
from mmad_rag.retrieve.routing.leave_one_out import Case, Columns, LabelledVector
from mmad_rag.retrieve.routing.logistic import fit_logistic, fit_tie_scale
from mmad_rag.retrieve.routing.open_set import Evidence, KnownFeatures, known_features, known_probability
from mmad_rag.retrieve.routing.scores import CatalogueScores, ProductScores

AnyIndex = TypeVar("AnyIndex", bound=IndexData)
"""What comes back is of the kind that was given: a `KnowledgeIndex` keeps its methods."""

KNOWN_SHARE = 0.75
"""Three of four images are reckoned to show a catalogued product, unless labelled ones say otherwise."""
_ROWS_AT_MOST = 1_500
_ROWS_AT_ONCE = 128
_LEAST_IMAGES = 4
_LEAST_ROWS = 4
_UNIT_WITHIN = 1e-3
_STRANGE_SHARE = 0.5
"""Of a product's own reference score, for strangers, where only one product has references."""
_LEAST_SPREAD = 0.01
_NINE_OF_TEN = 2.2
"""Where the logistic curve is at 0.9."""


def calibrate_by_leaving_out(
    index: IndexData, *, known_share: float = KNOWN_SHARE, recall: float | None = None, seed: int = 0
) -> Calibration | None:
    """Fit on the index's own references, each of them looked at as if it were a picture to inspect.

    A reference is left out with all its views where its product has another image, with the view itself
    where it has not (which flatters a product with one image). Then its product is left out altogether, and
    the right answer is "not in the catalogue".

    Args:
        index: With references of at least one product.
        known_share: Share of images of catalogued products that is reckoned with, in (0, 1).
        recall: Set the threshold so that this share of the known references is accepted; None: 0.5.
        seed: Of the sample that is taken when there are many references.

    Returns:
        None when there are fewer than four rows of references to learn from.
    """
    rows = _sample(len(index.references), seed)
    _check_share(known_share)
    if len(rows) < _LEAST_ROWS:
        return None
    columns = Columns(index)
    cases = [case for row in rows for case in columns.left_out(int(row))]
    images = len({index.references[row].digest for row in rows})
    return _fit(index, cases, "leave-one-out", images, known_share=known_share, recall=recall)


def calibrate_on(
    index: IndexData,
    images: Sequence[LabelledVector],
    *,
    known_share: float | None = None,
    recall: float | None = None,
) -> Calibration:
    """Fit on labelled images.

    Every image of a catalogued product counts twice: as it is, and with its product left out, when the
    right answer is "not in the catalogue".

    Args:
        index: What they are compared with.
        images: At least four, of catalogued products and, better still, of other things too.
        known_share: As above; None takes the share among the images, or the default when all are known.
        recall: As above.

    Raises:
        InputError: too few images, none of a catalogued product, a vector without a direction, a share out
            of range, or nothing can be learnt from them: all are right, or all wrong.
    """
    if known_share is not None:
        _check_share(known_share)
    for image in images:
        length = float(np.linalg.norm(image.vector.astype(np.float64)))
        if not abs(length - 1.0) < _UNIT_WITHIN:
            raise InputError(
                f"the vector of the image {image.digest[:12]} has length {length}, not 1; "
                "give vectors as the index's encoder makes them"
            )
    known = [image for image in images if image.product in index.products]
    if len(images) < _LEAST_IMAGES or not known:
        raise InputError(
            f"{len(images)} labelled images, {len(known)} of them of a product of the index, are too few "
            f"to calibrate on; give at least {_LEAST_IMAGES}, or leave them out to use the references"
        )
    share = known_share or (len(known) / len(images) if len(known) < len(images) else KNOWN_SHARE)
    columns = Columns(index)
    cases = [case for image in images for case in columns.labelled(image, image.product in index.products)]
    fitted = _fit(index, cases, "labelled", len(images), known_share=share, recall=recall)
    if fitted.reference is None and fitted.both is None and fitted.text is None:
        raise InputError(
            f"nothing can be learnt from the {len(images)} labelled images: the product named for them "
            "is never right, or never wrong; check the labels, or leave them out to use the references"
        )
    return fitted


def calibrated(index: AnyIndex) -> AnyIndex:
    """The index with the calibration in its manifest that a retriever would fit when it opens it.

    Routes stay as they are; fitting is done once and not once per retriever.
    """
    if index.manifest.calibration is not None:
        return index
    return with_calibration(index, calibrate_by_leaving_out(index))


def with_calibration(index: AnyIndex, calibration: Calibration | None) -> AnyIndex:
    """The index with another calibration in its manifest; its fingerprint changes with it."""
    manifest = index.manifest.model_copy(update={"calibration": calibration})
    return dataclasses.replace(index, manifest=manifest)


def _check_share(known_share: float) -> None:
    if not 0 < known_share < 1:
        raise InputError(f"a share of known images of {known_share} is not a share; give one between 0 and 1")


def _sample(count: int, seed: int) -> npt.NDArray[np.int64]:
    if count <= _ROWS_AT_MOST:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, _ROWS_AT_MOST, replace=False))


def _fit(
    index: IndexData,
    cases: Sequence[Case],
    method: str,
    images: int,
    *,
    known_share: float,
    recall: float | None,
) -> Calibration:
    catalogue = CatalogueScores(index)
    scale = _reference_scale(catalogue, cases)
    features, right, leads = _examples(catalogue, cases, scale)
    fitted = {kind: fit_logistic(features, right, kind, known_share) for kind in Evidence}
    text_only = _without_references(catalogue, cases, scale)
    if text_only is not None:
        fitted[Evidence.TEXT] = fit_logistic(text_only[0], text_only[1], Evidence.TEXT, known_share)
    calibration = Calibration(
        method="labelled" if method == "labelled" else "leave-one-out",
        images=images,
        known_share=known_share,
        reference=fitted[Evidence.REFERENCE],
        both=fitted[Evidence.BOTH],
        text=fitted[Evidence.TEXT],
        references=scale,
        tie_scale=fit_tie_scale(*leads),
        threshold=0.5,
    )
    if recall is None:
        return calibration
    return calibration.model_copy(update={"threshold": _at_recall(features, right, calibration, recall)})


def _reference_scale(catalogue: CatalogueScores, cases: Sequence[Case]) -> ReferenceScale:
    """What reference scores are for strangers and for a product's own images, each left out."""
    place = {product: number for number, product in enumerate(catalogue.products)}
    mine = [case for case in cases if case.product in place]
    own, others = [], []
    for start in range(0, len(mine), _ROWS_AT_ONCE):
        some = mine[start : start + _ROWS_AT_ONCE]
        ranked = _scored(catalogue, some, True).ranked
        row, truth = np.arange(len(some)), np.array([place[str(case.product)] for case in some])
        own.append(ranked[row, truth])
        ranked[row, truth] = np.nan
        others.append(ranked[~np.isnan(ranked)])
    known = np.concatenate(own)[~np.isnan(np.concatenate(own))] if own else np.empty(0)
    strange = np.concatenate(others) if others else np.empty(0)
    if not len(known):
        return ReferenceScale()
    level = float(strange.mean()) if len(strange) else _STRANGE_SHARE * float(known.mean())
    low, middle = (float(value) for value in np.quantile(known, (0.1, 0.5)))
    return ReferenceScale(
        level=round(level, 6),
        spread=round(max((float(known.mean()) - level) / 6, _LEAST_SPREAD), 6),
        convincing=round(low, 6),
        convincing_spread=round(max((middle - low) / _NINE_OF_TEN, _LEAST_SPREAD), 6),
    )


def _examples(
    catalogue: CatalogueScores,
    cases: Sequence[Case],
    scale: ReferenceScale,
    *,
    with_references: bool = True,
) -> tuple[KnownFeatures, npt.NDArray[np.bool_], tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]]:
    """Features of all cases, whether the first product is right, and leads over the second with sides."""
    kinds: list[Evidence] = []
    numbers, right, leads, sides = [], [], [], []
    place = {product: number for number, product in enumerate(catalogue.products)}
    for start in range(0, len(cases), _ROWS_AT_ONCE):
        some = cases[start : start + _ROWS_AT_ONCE]
        scores = _scored(catalogue, some, with_references)
        fused = fuse(scores, scale)
        found = known_features(scores, fused)
        truth = np.array([place[case.product] if case.product else -1 for case in some])
        there = np.isfinite(fused.total.max(axis=1))
        order = np.argsort(-fused.total, axis=1, kind="stable")
        kinds += [kind for kind, some_score in zip(found.evidence, there, strict=True) if some_score]
        numbers.append(found.numbers[there])
        right.append((order[:, 0] == truth)[there])
        if fused.total.shape[1] > 1:
            ahead = np.take_along_axis(fused.total, order[:, :2], axis=1)
            between = there & np.isfinite(ahead[:, 1]) & (order[:, :2] == truth[:, None]).any(axis=1)
            leads.append(ahead[between, 0] - ahead[between, 1])
            sides.append((order[:, 0] == truth)[between])
    joined = KnownFeatures(tuple(kinds), np.concatenate(numbers))
    pairs = (np.concatenate(leads), np.concatenate(sides)) if leads else (np.empty(0), np.empty(0, bool))
    return joined, np.concatenate(right), pairs


def _scored(catalogue: CatalogueScores, cases: Sequence[Case], with_references: bool) -> ProductScores:
    vectors = np.stack([case.vector for case in cases])
    index = catalogue.index
    keys = (vectors @ index.key_vectors.T).astype(np.float64)
    references = (vectors @ index.reference_vectors.T).astype(np.float64)
    keys[np.stack([case.hidden_keys for case in cases])] = -np.inf
    hidden = np.stack([case.hidden_references for case in cases]) if with_references else True
    references[np.broadcast_to(hidden, references.shape)] = -np.inf
    return catalogue.many(keys, references)


def _without_references(
    catalogue: CatalogueScores, cases: Sequence[Case], scale: ReferenceScale
) -> tuple[KnownFeatures, npt.NDArray[np.bool_]] | None:
    """The same images as if the catalogue had text alone, to know what text alone is worth."""
    if not catalogue.index.keys:
        return None
    features, right, _ = _examples(catalogue, cases, scale, with_references=False)
    return features, right


def _at_recall(
    features: KnownFeatures, right: npt.NDArray[np.bool_], calibration: Calibration, recall: float
) -> float:
    """The threshold that accepts this share of the images whose first product is right."""
    known = [
        known_probability(KnownFeatures((kind,), numbers[None]), 0, calibration)
        for kind, numbers, good in zip(features.evidence, features.numbers, right, strict=True)
        if good
    ]
    return round(float(np.quantile(known, 1.0 - recall)), 6) if known else calibration.threshold
