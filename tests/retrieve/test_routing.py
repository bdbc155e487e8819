"""Routing: scores worked out by hand, fusion, calibrated probabilities, ties and the second look."""

from __future__ import annotations

import dataclasses
import importlib
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError
from mmad_rag.images import open_image
from mmad_rag.index import Key, KnowledgeIndex, Reference
from mmad_rag.index.manifest import Calibration, Logistic, ReferenceScale
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.records import FloatArray, RouteOutcome
from mmad_rag.report.explain import route_lines
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.routing.calibrate import (
    calibrate_by_leaving_out,
    calibrate_on,
    with_calibration,
)
from mmad_rag.retrieve.routing.fuse import fuse
from mmad_rag.retrieve.routing.leave_one_out import LabelledVector
from mmad_rag.retrieve.routing.open_set import Evidence, known_features, known_probability
from mmad_rag.retrieve.routing.router import Router, route
from mmad_rag.retrieve.routing.scores import CatalogueScores
from mmad_rag.retrieve.routing.tie_break import SecondLook
from tests.support.paths import ROOT
from tests.support.world import World, colour_encoder


def unit(*values: float) -> FloatArray:
    vector = np.asarray(values, np.float32)
    scaled: FloatArray = vector / np.linalg.norm(vector)
    return scaled


def index_of(
    base: KnowledgeIndex,
    keys: Sequence[tuple[str, FloatArray]] = (),
    references: Sequence[tuple[str, str, str, FloatArray]] = (),
) -> KnowledgeIndex:
    """The tiny world with other keys (product, vector) and references (product, digest, view, vector)."""
    return dataclasses.replace(
        base,
        manifest=base.manifest.model_copy(update={"calibration": None}),
        keys=tuple(Key(product, f"key {number}") for number, (product, _) in enumerate(keys)),
        key_vectors=_stacked([vector for _, vector in keys]),
        references=tuple(
            Reference(product, f"{digest}.png", digest, view=view) for product, digest, view, _ in references
        ),
        reference_vectors=_stacked([vector for *_, vector in references]),
    )


def _stacked(vectors: Sequence[FloatArray]) -> FloatArray:
    return np.stack(vectors).astype(np.float32) if vectors else np.empty((0, 3), np.float32)


def spread_references(base: KnowledgeIndex, *, copies: int = 6, seed: int = 0) -> KnowledgeIndex:
    """Noisy images around one axis per product."""
    rng = np.random.default_rng(seed)
    axes = np.eye(3)
    rows = [
        (product, f"{product}{copy}", "whole", unit(*(axes[number] + rng.normal(0, 0.08, 3))))
        for number, product in enumerate(base.products)
        for copy in range(copies)
    ]
    return index_of(base, references=rows)


# scores


def test_a_text_score_is_the_mean_of_the_three_best_keys(index: KnowledgeIndex) -> None:
    vector = unit(220, 30, 30)
    rows = [row for row, key in enumerate(index.keys) if key.product == "blue_bar"]
    best = sorted((float(index.key_vectors[row] @ vector) for row in rows), reverse=True)[:3]
    found = {c.product: c.text_score for c in route(index, vector).candidates}
    assert found["blue_bar"] == pytest.approx(np.mean(best), abs=1e-6)


def test_reference_scores_are_worked_out_over_views(index: KnowledgeIndex) -> None:
    """Nearest, mean over views of the nearest in each, and mean of the three best views."""
    base = index_of(
        index,
        references=[
            ("red_disc", "a", "whole", unit(1, 0, 0)),
            ("red_disc", "b", "whole", unit(0.6, 0.8, 0)),
            ("red_disc", "a", "turned", unit(0.8, 0.6, 0)),
            ("red_disc", "a", "nearer", unit(0, 1, 0)),
            ("red_disc", "a", "compressed", unit(-1, 0, 0)),
            ("blue_bar", "c", "whole", unit(0, 0, 1)),
        ],
    )
    scores = CatalogueScores(base).one(unit(1, 0, 0))
    red, blue, green = (base.products.index(name) for name in ("red_disc", "blue_bar", "green_square"))
    assert scores.nearest[0, red] == pytest.approx(1.0)
    assert scores.typical[0, red] == pytest.approx((1.0 + 0.8 + 0.0 - 1.0) / 4)
    assert scores.ranked[0, red] == pytest.approx((1.0 + 0.8 + 0.0) / 3)
    assert scores.ranked[0, blue] == pytest.approx(0.0)
    assert np.isnan(scores.nearest[0, green])
    assert np.isnan(scores.text).all()


def test_the_querys_own_picture_is_left_out_with_all_its_views(index: KnowledgeIndex) -> None:
    base = index_of(
        index,
        references=[
            ("red_disc", "a", "whole", unit(1, 0, 0)),
            ("red_disc", "a", "turned", unit(1, 0, 0)),
            ("red_disc", "b", "whole", unit(0.6, 0.8, 0)),
        ],
    )
    scores = CatalogueScores(base).one(unit(1, 0, 0), {"a"})
    assert scores.nearest[0, base.products.index("red_disc")] == pytest.approx(0.6)


def test_what_all_pictures_have_in_common_with_a_key_is_taken_off(index: KnowledgeIndex) -> None:
    """Each product counts once in the mean image, however many references it has; with nothing if none."""
    base = index_of(
        index,
        keys=[("red_disc", unit(1, 1, 0)), ("blue_bar", unit(0, 0, 1))],
        references=[
            ("red_disc", "a", "whole", unit(1, 0, 0)),
            ("red_disc", "b", "whole", unit(1, 0, 0)),
            ("blue_bar", "c", "whole", unit(0, 1, 0)),
        ],
    )
    vector = unit(1, 2, 3)
    scores = CatalogueScores(base).one(vector)
    mean = (np.array([1, 0, 0]) + np.array([0, 1, 0])) / 3
    red, blue = (base.products.index(name) for name in ("red_disc", "blue_bar"))
    assert scores.text_centred[0, red] == pytest.approx(
        float((vector - mean) @ base.key_vectors[0]), abs=1e-6
    )
    assert scores.text_centred[0, blue] == pytest.approx(
        float((vector - mean) @ base.key_vectors[1]), abs=1e-6
    )
    assert scores.text[0, red] == pytest.approx(float(vector @ base.key_vectors[0]), abs=1e-6)


# fusion


def test_scores_are_standardised_per_kind_and_fused_with_fixed_weights(index: KnowledgeIndex) -> None:
    scores = CatalogueScores(index).one(unit(220, 30, 30))
    text, references = scores.text_centred[0], scores.ranked[0]
    expected = (
        0.3 * (text - text.mean()) / text.std() + 0.7 * (references - references.mean()) / references.std()
    )
    assert fuse(scores, ReferenceScale()).total[0] == pytest.approx(expected, abs=1e-9)


def test_products_that_lack_a_kind_are_compared_with_those_that_have_it(index: KnowledgeIndex) -> None:
    """References alone, text alone, and both, worked out by the formulas of `fuse`."""
    base = index_of(
        index,
        keys=[("red_disc", unit(1, 0, 0)), ("green_square", unit(0, 1, 0))],
        references=[("red_disc", "a", "whole", unit(1, 0, 0)), ("blue_bar", "c", "whole", unit(0, 0, 1))],
    )
    scale = ReferenceScale(level=0.5, spread=0.1, convincing=0.9, convincing_spread=0.1)
    scores = CatalogueScores(base).one(unit(0.2, 0.1, 1))
    fused = fuse(scores, scale)
    red, blue, green = (base.products.index(name) for name in ("red_disc", "blue_bar", "green_square"))
    cosines = np.array([0.2, 1.0]) / math.sqrt(1.05)
    filled = np.array([*cosines, 0.5])
    by_references = (filled - filled.mean()) / filled.std()
    assert fused.total[0, blue] == pytest.approx(by_references[1], abs=1e-5)
    assert fused.text[0, blue] == 0.0
    credit = by_references[1] / (1 + math.exp((cosines[1] - 0.9) / 0.1))
    text = fused.text_standardised[0]
    assert fused.total[0, green] == pytest.approx(0.3 * text[green] + 0.7 * credit, abs=1e-5)
    assert fused.total[0, red] == pytest.approx(0.3 * text[red] + 0.7 * by_references[0], abs=1e-5)


def test_without_any_references_text_alone_is_the_score(index: KnowledgeIndex) -> None:
    scores = CatalogueScores(
        index_of(
            index, keys=[(name, unit(*axis)) for name, axis in zip(index.products, np.eye(3), strict=True)]
        )
    ).one(unit(3, 2, 1))
    fused = fuse(scores, ReferenceScale())
    assert fused.total[0] == pytest.approx(fused.text_standardised[0])


@pytest.mark.parametrize("referenced", [("red_disc",), ("blue_bar",), ("red_disc", "green_square")])
def test_references_of_few_products_harm_neither_these_nor_the_others(
    world: World, index: KnowledgeIndex, encoder: Encoder, referenced: tuple[str, ...]
) -> None:
    rows = [row for row, item in enumerate(index.references) if item.product in referenced]
    few = dataclasses.replace(
        index,
        references=tuple(index.references[row] for row in rows),
        reference_vectors=index.reference_vectors[rows],
    )
    retriever = ClipRetriever(few, encoder=encoder)
    for product, path in world.queries.items():
        assert retriever.route(open_image(path)).candidates[0].product == product


def test_products_that_do_not_differ_score_nothing(index: KnowledgeIndex) -> None:
    same = [(product, product, "whole", unit(1, 0, 0)) for product in index.products]
    fused = fuse(CatalogueScores(index_of(index, references=same)).one(unit(0, 1, 0)), ReferenceScale())
    assert fused.total.tolist() == [[0.0, 0.0, 0.0]]


# probabilities


def test_evidence_is_named_by_what_the_first_product_has(index: KnowledgeIndex) -> None:
    both = CatalogueScores(index).one(unit(220, 30, 30))
    assert known_features(both, fuse(both, ReferenceScale())).evidence == (Evidence.BOTH,)
    text = CatalogueScores(index_of(index, keys=[("red_disc", unit(1, 0, 0)), ("blue_bar", unit(0, 0, 1))]))
    scores = text.one(unit(1, 0, 0))
    features = known_features(scores, fuse(scores, ReferenceScale()))
    assert features.evidence == (Evidence.TEXT,)
    assert features.of(Evidence.TEXT)[0].tolist() == pytest.approx([1.0, 2.0])


def test_the_lead_of_an_only_product_is_its_own_score(index: KnowledgeIndex) -> None:
    scores = CatalogueScores(index_of(index, keys=[("red_disc", unit(1, 0, 0))])).one(unit(1, 0, 0))
    assert known_features(scores, fuse(scores, ReferenceScale())).of(Evidence.TEXT)[0].tolist() == [0.0, 0.0]


def test_without_a_fit_rules_of_thumb_are_used(index: KnowledgeIndex) -> None:
    near = index_of(index, references=[("red_disc", "a", "whole", unit(1, 0, 0))])
    scores = CatalogueScores(near).one(unit(0.6, 0.8, 0))
    assert known_probability(
        known_features(scores, fuse(scores, ReferenceScale())), 0, None
    ) == pytest.approx(0.5, abs=1e-5)
    keys = [(product, unit(*axis)) for product, axis in zip(index.products, np.eye(3), strict=True)]
    texts = CatalogueScores(index_of(index, keys=keys)).one(unit(1, 0, 0))
    features = known_features(texts, fuse(texts, ReferenceScale()))
    standing_out = features.numbers[0, 2]
    expected = 1 / (1 + np.exp(-6.0 * (standing_out - 0.6 * 2 / np.sqrt(3))))
    assert known_probability(features, 3, None) == pytest.approx(expected)


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


def labelled(axis: npt.NDArray[np.float64], product: str | None, count: int) -> list[LabelledVector]:
    rng = np.random.default_rng(len(product or ""))
    return [
        LabelledVector(unit(*(axis + rng.normal(0, 0.08, 3))), f"{product}-{number}", product)
        for number in range(count)
    ]


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


def test_an_empty_comparison_is_unknown(index: KnowledgeIndex) -> None:
    empty = dataclasses.replace(
        index,
        keys=(),
        references=(),
        key_vectors=np.empty((0, 3), np.float32),
        reference_vectors=np.empty((0, 3), np.float32),
    )
    found = route(empty, unit(1, 0, 0))
    assert (found.outcome, found.candidates, found.confidence) == (RouteOutcome.UNKNOWN, (), 0.0)


def test_a_catalogue_of_one_product_has_no_tie(index: KnowledgeIndex) -> None:
    rows = [row for row, item in enumerate(index.references) if item.product == "red_disc"]
    one = dataclasses.replace(
        index,
        keys=(),
        key_vectors=np.empty((0, 3), np.float32),
        references=tuple(index.references[row] for row in rows),
        reference_vectors=index.reference_vectors[rows],
    )
    found = route(one, unit(220, 30, 30))
    assert found.products == ("red_disc",)
    assert found.candidates[0].score == 0.0


# ties and the second look


def tied(index: KnowledgeIndex) -> KnowledgeIndex:
    """Everything is known, and a lead of one tenth of a deviation is not a lead."""
    calibration = Calibration(
        method="labelled",
        images=4,
        known_share=0.5,
        reference=Logistic(weights=(0.0, 0.0), bias=10.0),
        both=Logistic(weights=(0.0, 0.0, 0.0), bias=10.0),
        text=None,
        references=ReferenceScale(),
        tie_scale=0.5,
        threshold=0.5,
    )
    return with_calibration(index, calibration)


class Told:
    """A closer look that says what it is told to."""

    def __init__(self, lead: float | None) -> None:
        self.answer = lead
        self.asked: list[tuple[str, str]] = []

    def lead(self, vector: FloatArray, first: str, second: str) -> float | None:
        self.asked.append((first, second))
        return self.answer


@pytest.fixture
def between(index: KnowledgeIndex) -> tuple[KnowledgeIndex, FloatArray]:
    """An index in which an image lies a little nearer to the red disc than to the blue bar."""
    rows = [
        (product, product, "whole", unit(*axis))
        for product, axis in zip(("red_disc", "blue_bar", "green_square"), np.eye(3)[[0, 2, 1]], strict=True)
    ]
    return tied(index_of(index, references=rows)), unit(1.0, 0.0, 0.97)


def test_a_small_lead_is_a_near_tie_of_both(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    found = Router(base).route(vector)
    assert found.outcome is RouteOutcome.NEAR_TIE
    assert found.products == ("red_disc", "blue_bar")
    assert found.second_look is None
    assert 0.5 < found.confidence < 0.75


def test_a_second_look_is_asked_about_just_those_two(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    closer = Told(2.0)
    found = Router(base, closer).route(vector)
    assert closer.asked == [("red_disc", "blue_bar")]
    assert (found.outcome, found.products) == (RouteOutcome.PRODUCT, ("red_disc",))
    assert found.second_look is not None
    assert found.second_look.lead_after == pytest.approx(found.second_look.lead_before + 2.0)
    lead = found.second_look.lead_after
    assert found.confidence == pytest.approx(found.known / (1 + np.exp(-lead / 0.5)), abs=1e-5)
    assert "second look at red_disc and blue_bar: lead +0.0" in "\n".join(route_lines(found))


def test_a_second_look_can_turn_the_two_round(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    found = Router(base, Told(-2.0)).route(vector)
    assert found.products == ("blue_bar",)
    assert [item.product for item in found.candidates[:2]] == ["blue_bar", "red_disc"]


def test_a_second_look_that_sees_nothing_changes_nothing(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    assert Router(base, Told(None)).route(vector) == Router(base).route(vector)


def test_clear_and_unknown_pictures_get_no_second_look(between: tuple[KnowledgeIndex, FloatArray]) -> None:
    base, vector = between
    closer = Told(2.0)
    Router(base, closer).route(unit(1, 0, 0))
    unknown = dataclasses.replace(
        base,
        manifest=base.manifest.model_copy(
            update={"calibration": base.manifest.calibration.model_copy(update={"threshold": 1.0})}  # type: ignore[union-attr]
        ),
    )
    assert Router(unknown, closer).route(vector).outcome is RouteOutcome.UNKNOWN
    assert closer.asked == []


def test_tell_apart_sentences_decide_between_two_products(world: World, tmp_path: Path) -> None:
    """The sentences alone name the colours that the keys do not tell apart."""
    folder = tmp_path / "knowledge"
    folder.mkdir()
    for product, other, colour in (("disc_a", "disc_b", "red"), ("disc_b", "disc_a", "blue")):
        text = (
            (world.knowledge / "red_disc.yaml").read_text().replace("red_disc", product).replace("red ", "")
        )
        text = text.replace("evenly red", "evenly painted")
        text += f"tell_apart:\n  - product: {other}\n    how: [The paint is {colour} .]\n"
        (folder / f"{product}.yaml").write_text(text)
    encoder = colour_encoder()
    index = KnowledgeIndex.build(folder, encoder, text_encoder="words")
    look = SecondLook(index, encoder)
    red, blue = unit(220, 30, 30), unit(40, 40, 230)
    assert (look.lead(red, "disc_a", "disc_b") or 0) > 0
    assert (look.lead(blue, "disc_a", "disc_b") or 0) < 0
    assert look.lead(red, "disc_b", "disc_a") == pytest.approx(-(look.lead(red, "disc_a", "disc_b") or 0))


def test_without_tell_apart_sentences_the_texts_are_contrasted(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    look = SecondLook(dataclasses.replace(index, references=(), reference_vectors=_stacked([])), encoder)
    assert (look.lead(unit(220, 30, 30), "red_disc", "blue_bar") or 0) > 0
    assert (look.lead(unit(40, 40, 230), "red_disc", "blue_bar") or 0) < 0


def test_references_tell_two_products_apart(index: KnowledgeIndex) -> None:
    base = spread_references(index)
    look = SecondLook(base, colour_encoder(texts=False))
    first, second = base.products[:2]
    assert (look.lead(unit(1, 0, 0), first, second) or 0) > 1
    assert (look.lead(unit(0, 1, 0), first, second) or 0) < -1
    assert abs(look.lead(unit(1, 1, 0), first, second) or 0) < 1


def test_nothing_tells_apart_two_products_that_are_the_same(index: KnowledgeIndex) -> None:
    same = [(product, f"{product}{n}", "whole", unit(1, 0, 0)) for product in index.products for n in (1, 2)]
    base = index_of(index, references=same)
    look = SecondLook(base, colour_encoder(texts=False))
    assert look.lead(unit(1, 0, 0), *base.products[:2]) is None
    silent = dataclasses.replace(base, passages=())
    assert SecondLook(silent, colour_encoder()).lead(unit(1, 0, 0), *base.products[:2]) is None


@pytest.mark.slow
def test_where_keys_cannot_tell_look_alikes_apart_the_second_look_does() -> None:
    """With shared keys plain routing decides nothing between look-alikes, the second look nearly all."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        second_look = importlib.import_module("second_look")
    finally:
        sys.path.pop(0)
    encoder = load_encoder("builtin:tiny", batch_size=64)
    assert encoder.images is not None
    index = second_look.with_shared_keys(
        KnowledgeIndex.build(second_look.KNOWLEDGE, encoder, text_encoder="words")
    )
    with tempfile.TemporaryDirectory() as scratch:
        found = second_look.images(Path(scratch) / "sample")
    vectors = encoder.images.encode_images([view_of(image, WHOLE) for image, _ in found])
    right = {}
    for name, router in (("plain", Router(index)), ("second", Router(index, SecondLook(index, encoder)))):
        kinds = [
            second_look.kind_of(router.route(vector), product)
            for vector, (_, product) in zip(vectors, found, strict=True)
        ]
        assert "look-alike" not in kinds
        right[name] = kinds.count("right")
    assert len(found) - right["second"] <= (len(found) - right["plain"]) / 2
