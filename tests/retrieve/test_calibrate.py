"""Confidence is calibrated on an index's own references, or on labelled images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import RouteOutcome
from mmad_rag.retrieve.routing.calibrate import (
    calibrate_by_leaving_out,
    calibrate_on,
    with_calibration,
)
from mmad_rag.retrieve.routing.router import Router, route
from tests.retrieve.hand_made_index import index_of, labelled, spread_references, unit
from tests.support.world import World


def test_leaving_out_learns_to_tell_known_from_unknown(index: KnowledgeIndex) -> None:
    """An image of a product is known; what lies far from all is not."""
    base = spread_references(index)
    fitted = calibrate_by_leaving_out(base)
    assert fitted is not None
    assert (fitted.method, fitted.images, fitted.threshold) == ("leave-one-out", 18, 0.5)
    assert fitted.both is None
    assert fitted.text is None
    router = Router(with_calibration(base, fitted))
    inside, between = router.route(unit(1, 0.05, 0)), router.route(unit(-1, -1, 0.3))
    assert inside.known > 0.9
    assert inside.outcome is RouteOutcome.PRODUCT
    assert between.known < 0.5
    assert between.outcome is RouteOutcome.UNKNOWN


def test_a_retriever_fits_what_the_manifest_lacks(index: KnowledgeIndex) -> None:
    base = spread_references(index)
    assert Router(base).calibration == calibrate_by_leaving_out(base)
    kept = with_calibration(base, calibrate_by_leaving_out(base, recall=0.9))
    assert Router(kept).calibration == kept.manifest.calibration
    assert kept.fingerprint != base.fingerprint


def test_few_references_are_not_fitted_on(index: KnowledgeIndex) -> None:
    few = index_of(
        index, references=[("red_disc", str(number), "whole", unit(1, 0, 0)) for number in range(3)]
    )
    assert calibrate_by_leaving_out(few) is None


def test_one_picture_per_product_is_seen_by_its_other_views(index: KnowledgeIndex) -> None:
    rows = [
        (product, product, view, unit(*(axis + shift)))
        for product, axis in zip(index.products, np.eye(3), strict=True)
        for view, shift in (("whole", 0.0), ("turned", 0.05))
    ]
    fitted = calibrate_by_leaving_out(index_of(index, references=rows))
    assert fitted is not None
    assert fitted.reference is not None


def test_one_product_alone_cannot_be_fitted_but_is_routed_to(index: KnowledgeIndex) -> None:
    """There is no wrong case to learn from; the rule of thumb stays."""
    rows = [("red_disc", str(number), "whole", unit(1, 0.01 * number, 0)) for number in range(6)]
    base = index_of(index, references=rows)
    fitted = calibrate_by_leaving_out(base)
    assert fitted is not None
    assert fitted.reference is None
    assert route(base, unit(1, 0, 0)).products == ("red_disc",)


def test_text_alone_is_fitted_as_if_there_were_no_references(world: World, encoder: Encoder) -> None:
    base = KnowledgeIndex.build(world.knowledge, encoder, text_encoder="words", references=world.references)
    fitted = calibrate_by_leaving_out(base)
    assert fitted is not None
    assert fitted.both is not None
    assert fitted.text is not None


def test_the_threshold_can_be_set_by_recall(index: KnowledgeIndex) -> None:
    base = spread_references(index)
    half, most = (calibrate_by_leaving_out(base, recall=recall) for recall in (0.5, 0.95))
    assert half is not None
    assert most is not None
    assert half.threshold > most.threshold


def test_a_sample_of_many_references_is_seeded(
    index: KnowledgeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmad_rag.retrieve.routing.calibrate._ROWS_AT_MOST", 9)
    base = spread_references(index)
    first, again = (calibrate_by_leaving_out(base, seed=1) for _ in range(2))
    assert first == again
    assert first is not None
    assert first.images == 9


def test_labelled_pictures_are_learnt_from(index: KnowledgeIndex) -> None:
    base = spread_references(index)
    pictures = [
        image
        for product, axis in zip(index.products, np.eye(3), strict=True)
        for image in labelled(axis, product, 5)
    ]
    outside = labelled(np.array([1.0, 1.0, 1.0]), None, 5)
    fitted = calibrate_on(base, [*pictures, *outside])
    assert (fitted.method, fitted.images) == ("labelled", 20)
    assert fitted.known_share == pytest.approx(0.75)
    assert calibrate_on(base, pictures).known_share == 0.75
    assert calibrate_on(base, pictures, known_share=0.5).known_share == 0.5
    router = Router(with_calibration(base, fitted))
    assert all(router.route(image.vector).known > 0.5 for image in pictures)
    assert all(router.route(image.vector).known < 0.5 for image in outside)


def test_vectors_without_a_direction_and_shares_out_of_range_are_refused(index: KnowledgeIndex) -> None:
    base = spread_references(index)
    broken = [
        dataclasses.replace(image, vector=np.full(3, np.nan, np.float32))
        for image in labelled(np.eye(3)[0], index.products[0], 4)
    ]
    with pytest.raises(InputError, match="has length nan, not 1"):
        calibrate_on(base, broken)
    with pytest.raises(InputError, match="give one between 0 and 1"):
        calibrate_on(base, labelled(np.eye(3)[0], index.products[0], 4), known_share=0.0)
    with pytest.raises(InputError, match="give one between 0 and 1"):
        calibrate_by_leaving_out(base, known_share=1.0)


def test_too_few_labelled_pictures_are_refused(index: KnowledgeIndex) -> None:
    base = spread_references(index)
    with pytest.raises(InputError, match="3 labelled images, 3 of them"):
        calibrate_on(base, labelled(np.eye(3)[0], index.products[0], 3))
    with pytest.raises(InputError, match="5 labelled images, 0 of them"):
        calibrate_on(base, labelled(np.eye(3)[0], "spoon", 5))
