"""Routing: scores worked out by hand, their fusion, and evidence for a product of the catalogue."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.manifest import ReferenceScale
from mmad_rag.records import RouteOutcome
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.routing.fuse import fuse
from mmad_rag.retrieve.routing.open_set import Evidence, known_features, known_probability
from mmad_rag.retrieve.routing.router import route
from mmad_rag.retrieve.routing.scores import CatalogueScores
from tests.retrieve.hand_made_index import index_of, unit
from tests.support.world import World

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
