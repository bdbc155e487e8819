"""The figures of retrieval: worked by hand, and equal to well-known implementations on random data."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.rows import Reference
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.records import Candidate, Route, RouteOutcome
from mmad_rag.retrieval_eval.calibration import Binning, calibration
from mmad_rag.retrieval_eval.confusion import OUTSIDE, confused_pairs, confusion
from mmad_rag.retrieval_eval.decide import decisions_of, route_all
from mmad_rag.retrieval_eval.decisions import Decisions, pooled
from mmad_rag.retrieval_eval.defects import defect_figures
from mmad_rag.retrieval_eval.figures import RoutingMethod, figures
from mmad_rag.retrieval_eval.images import LabelledImage
from mmad_rag.retrieval_eval.metrics import auroc, share, threshold_at_recall
from mmad_rag.retrieval_eval.nearest import best_cosines, nearest_all
from mmad_rag.retrieval_eval.subindex import some_references, with_references
from mmad_rag.retrieve import ClipRetriever
from tests.support.world import World

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=30)


def unit(*rows: tuple[float, ...]) -> np.ndarray:
    array = np.asarray(rows, np.float32)
    scaled: np.ndarray = array / np.linalg.norm(array, axis=1, keepdims=True)
    return scaled


def shows(product: str | None, digest: str = "0" * 64, name: str = "x.png") -> LabelledImage:
    return LabelledImage(Path(name), name, product, digest)


def test_a_share_has_wilsons_interval() -> None:
    from scipy.stats import binomtest

    for count, n in ((0, 7), (7, 7), (9, 10), (119, 122), (1, 1000)):
        found = share(count, n)
        expected = binomtest(count, n).proportion_ci(method="wilson")
        assert found.share == count / n
        assert found.low == pytest.approx(expected.low, abs=1e-12)
        assert found.high == pytest.approx(expected.high, abs=1e-12)


def test_a_share_of_nothing_is_unknown() -> None:
    assert (share(0, 0).share, share(0, 0).low, share(0, 0).high) == (None, None, None)


def test_auroc_counts_the_pairs_that_are_in_order() -> None:
    """Of four pairs three are in order and one is a tie: 3.5 / 4."""
    assert auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1])) == 3.5 / 4
    assert auroc(np.array([1.0]), np.array([0.0])) == 1.0
    assert auroc(np.array([0.0]), np.array([1.0])) == 0.0
    assert auroc(np.array([0.3]), np.array([])) is None
    assert auroc(np.array([]), np.array([0.3])) is None


@settings(deadline=None)
@given(known=SCORES, unknown=SCORES)
def test_auroc_equals_scikit_learns(known: list[float], unknown: list[float]) -> None:
    from sklearn.metrics import roc_auc_score

    labels = [1] * len(known) + [0] * len(unknown)
    found = auroc(np.array(known), np.array(unknown))
    assert found == pytest.approx(roc_auc_score(labels, known + unknown), abs=1e-12)


@given(known=SCORES, recall=st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_the_threshold_is_the_highest_that_reaches_the_recall(known: list[float], recall: float) -> None:
    scores = np.array(known)
    threshold = threshold_at_recall(scores, recall)
    assert (scores >= threshold).mean() >= recall - 1e-9
    higher = scores[scores > threshold]
    assert not len(higher) or (scores >= higher.min()).mean() < recall


def test_ninety_five_of_a_hundred_reach_the_threshold() -> None:
    assert threshold_at_recall(np.arange(100, dtype=np.float64)) == 5.0


def test_the_calibration_error_worked_by_hand() -> None:
    """Two bins: one of two right at a mean of 0.3, both right at a mean of 0.95."""
    confidence = np.array([0.2, 0.4, 0.9, 1.0])
    right = np.array([False, True, True, True])
    for binning in Binning:
        found = calibration(confidence, right, binning, bins=2)
        assert found is not None
        assert found.error == pytest.approx((2 * 0.2 + 2 * 0.05) / 4)
        assert [item.right.count for item in found.bins] == [1, 2]
        assert [item.confidence for item in found.bins] == pytest.approx([0.3, 0.95])
    wide = calibration(confidence, right, Binning.EQUAL_WIDTH, bins=2)
    assert wide is not None
    assert [(item.low, item.high) for item in wide.bins] == [(0.0, 0.5), (0.5, 1.0)]


def test_bins_without_pictures_are_left_out_and_edges_belong_below() -> None:
    found = calibration(np.array([0.0, 0.2, 1.0]), np.array([True] * 3), Binning.EQUAL_WIDTH, bins=5)
    assert found is not None
    assert [(item.low, item.right.n) for item in found.bins] == [(0.0, 2), (0.8, 1)]
    assert calibration(np.array([]), np.array([], bool), Binning.EQUAL_MASS) is None


def test_the_calibration_error_equals_five_lines_of_numpy() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.random(500)
    right = rng.random(500) < confidence**2
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    found = calibration(confidence, right, Binning.EQUAL_WIDTH)
    assert found is not None
    assert found.error == pytest.approx(expected)


def test_the_reliability_curve_equals_scikit_learns() -> None:
    from sklearn.calibration import calibration_curve

    rng = np.random.default_rng(4)
    confidence = rng.random(300)
    right = rng.random(300) < confidence
    for binning, strategy in ((Binning.EQUAL_WIDTH, "uniform"), (Binning.EQUAL_MASS, "quantile")):
        found = calibration(confidence, right, binning, bins=10)
        shares, means = calibration_curve(right, confidence, n_bins=10, strategy=strategy)
        assert found is not None
        assert [item.confidence for item in found.bins] == pytest.approx(means.tolist())
        assert [item.right.share for item in found.bins] == pytest.approx(shares.tolist())


@settings(deadline=None)
@given(
    pairs=st.lists(st.tuples(st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.booleans()), min_size=1, max_size=40),
    seed=st.integers(0, 100),
)
def test_the_calibration_error_does_not_depend_on_the_order(
    pairs: list[tuple[float, bool]], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(len(pairs))
    confidence = np.array([pair[0] for pair in pairs])
    right = np.array([pair[1] for pair in pairs])
    for binning in Binning:
        first = calibration(confidence, right, binning)
        second = calibration(confidence[order], right[order], binning)
        assert first is not None
        assert second is not None
        assert first.error == pytest.approx(second.error, abs=1e-12)
        assert 0 <= first.error <= 1
        assert sum(item.right.n for item in first.bins) == len(pairs)


PRODUCTS = ("a", "b", "c")


def a_route(outcome: RouteOutcome, ranked: str, named: str, confidence: float) -> Route:
    candidates = tuple(Candidate(product, 1.0, None, None) for product in ranked)
    return Route(outcome, candidates, tuple(named), confidence, confidence)


ROUTES = (
    a_route(RouteOutcome.PRODUCT, "abc", "a", 0.9),
    a_route(RouteOutcome.NEAR_TIE, "bac", "ba", 0.5),
    a_route(RouteOutcome.PRODUCT, "cba", "c", 0.7),
    a_route(RouteOutcome.UNKNOWN, "abc", "", 0.1),
    a_route(RouteOutcome.PRODUCT, "bca", "b", 0.6),
    a_route(RouteOutcome.UNKNOWN, "", "", 0.0),
)
SHOWN = [shows("a"), shows("a"), shows("a"), shows("a"), shows(None), shows(None)]


def some_decisions() -> Decisions:
    return decisions_of(ROUTES, SHOWN, PRODUCTS)


def test_routes_become_decisions() -> None:
    found = some_decisions()
    assert found.truth.tolist() == [0, 0, 0, 0, -1, -1]
    assert found.first.tolist() == [0, 1, 2, 0, 1, -1]
    assert found.rank.tolist() == [0, 1, 2, 0, 3, 3]
    assert found.right.tolist() == [True, False, False, False, False, False]
    assert found.near_tie_with.tolist() == [False, True, False, False, False, False]
    assert found.wrong.tolist() == [False, False, True, False, True, False]
    assert len(pooled([found, found])) == 12


def test_the_figures_worked_by_hand() -> None:
    """Four known images: right, near-tie, wrong, called unknown. Two outside: one accepted."""
    found = figures(RoutingMethod.ROUTE, "none", some_decisions(), 0.5)
    assert (found.known, found.outside) == (4, 2)
    assert (found.top1.count, found.top3.count) == (2, 4)
    outcomes = (found.right, found.near_tie, found.wrong, found.called_unknown)
    assert [item.count for item in outcomes] == [1, 1, 1, 1]
    assert found.auroc == 6 / 8
    assert (found.recall_95.count, found.false_accepts_95.count) == (3, 1)
    assert (found.false_accepts.count, found.false_accepts.n) == (1, 2)
    # Confidence .9 right, .5 .7 .6 wrong, .1 right, 0 wrong: each in a bin of its own.
    assert found.ece == pytest.approx((0.1 + 0.5 + 0.7 + 0.9 + 0.6 + 0.0) / 6)
    assert found.ece_known == pytest.approx((0.1 + 0.5 + 0.7 + 0.9) / 4)


@given(threshold=st.floats(-0.1, 1.1))
def test_at_a_threshold_only_what_reaches_it_is_named_and_nothing_ties(threshold: float) -> None:
    found = some_decisions().at_threshold(threshold)
    assert found.accepted.tolist() == [route.confidence >= threshold for route in ROUTES]
    assert not found.near_tie.any()
    assert (found.right | found.wrong | ~found.accepted).all()


def test_who_is_taken_for_whom() -> None:
    decided = {"none": some_decisions(), "blur": some_decisions()}
    found = confusion(RoutingMethod.ROUTE, decided, PRODUCTS)
    assert found.labels == ("a", "b", "c", OUTSIDE)
    assert found.counts == ((2, 2, 2, 2), (0, 0, 0, 0), (0, 0, 0, 0), (0, 2, 0, 2))
    pairs = confused_pairs(RoutingMethod.ROUTE, decided, PRODUCTS)
    assert {(pair.product, pair.named): (pair.images.count, pair.images.n) for pair in pairs} == {
        ("a", "b"): (2, 8),
        ("a", "c"): (2, 8),
        ("a", OUTSIDE): (2, 8),
        (OUTSIDE, "b"): (2, 4),
    }
    assert all(pair.changes == {"none": 1, "blur": 1} for pair in pairs)


def test_the_nearest_reference_equals_a_plain_loop(index: KnowledgeIndex) -> None:
    rng = np.random.default_rng(0)
    vectors = unit(*rng.random((20, 3)).tolist())
    pictures = [shows(index.products[place % 3], name=str(place)) for place in range(20)]
    found = nearest_all(index, pictures, vectors)
    for place, vector in enumerate(vectors):
        best: dict[str, float] = {}
        for reference, row in zip(index.references, index.reference_vectors, strict=True):
            if reference.view != WHOLE:
                continue
            best[reference.product] = max(best.get(reference.product, -2.0), float(row @ vector))
        ranked = sorted(index.products, key=lambda product: -best[product])
        assert index.products[found.first[place]] == ranked[0]
        assert found.rank[place] == ranked.index(index.products[place % 3])
        assert found.known[place] == pytest.approx(max(best.values()), abs=1e-6)
    assert np.isnan(found.confidence).all()
    assert figures(RoutingMethod.NEAREST, "none", found, 0.0).ece is None


def test_the_baseline_never_compares_a_picture_with_itself(index: KnowledgeIndex) -> None:
    own = index.references[0]
    lone = with_references(index, np.array([item.digest == own.digest for item in index.references]))
    whole = [item.view for item in lone.references].index(WHOLE)
    found = best_cosines(
        lone, [shows(own.product, own.digest), shows(own.product)], lone.reference_vectors[[whole, whole]]
    )
    place = index.products.index(own.product)
    assert found[0, place] == -math.inf
    assert found[1, place] == pytest.approx(1.0)
    decided = nearest_all(lone, [shows(own.product, own.digest)], lone.reference_vectors[[whole]])
    assert (decided.first.tolist(), decided.rank.tolist(), decided.accepted.tolist()) == ([-1], [3], [False])


def test_vectors_route_as_their_pictures_do(world: World, index: KnowledgeIndex, encoder: Encoder) -> None:
    """Also the image that is a reference, with which it must not be compared."""
    own = world.references / "red_disc" / "1.png"
    opened = [open_image(path) for path in (*world.queries.values(), own)]
    assert encoder.images is not None
    vectors = encoder.images.encode_images([view_of(item, WHOLE) for item in opened])
    pictures = [shows("red_disc", item.digest) for item in opened]
    retriever = ClipRetriever(index, encoder=encoder)
    assert route_all(retriever, pictures, vectors) == tuple(map(retriever.route, opened))


@given(fewer=st.integers(1, 3), seed=st.integers(0, 20))
def test_a_choice_of_references_is_nested_and_of_the_right_size(
    index: KnowledgeIndex, fewer: int, seed: int
) -> None:
    small, large = (some_references(index, number, seed=seed) for number in (fewer, fewer + 1))
    assert not (small & ~large).any()
    for product in index.products:
        mine = [row for row, item in enumerate(index.references) if item.product == product]
        chosen = {index.references[row].digest for row in mine if small[row]}
        assert len(chosen) == min(fewer, 2)
        assert all(small[row] == (index.references[row].digest in chosen) for row in mine)


def test_a_smaller_index_is_the_index_without_the_other_references(index: KnowledgeIndex) -> None:
    chosen = some_references(index, 1, seed=0)
    smaller = with_references(index, chosen)
    assert len({item.digest for item in smaller.references}) == 3
    assert len(smaller.references) == smaller.manifest.counts.references == chosen.sum()
    assert np.array_equal(smaller.reference_vectors, index.reference_vectors[chosen])
    assert smaller.passages == index.passages
    assert with_references(index, np.ones(len(index.references), bool)) is index


def with_defects(
    index: KnowledgeIndex, rows: list[tuple[str, str, tuple[float, float, float]]]
) -> KnowledgeIndex:
    references = tuple(
        Reference(product, f"{place}.png", f"{place:064d}", entry)
        for place, (product, entry, _) in enumerate(rows)
    )
    vectors = unit(*(row[2] for row in rows))
    return dataclasses.replace(index, references=references, reference_vectors=vectors)


def test_which_defect_by_the_nearest_other_picture_of_one(index: KnowledgeIndex) -> None:
    """Two cracks find each other; of two stains one is nearer to a crack; the lone dent does not count."""
    found = defect_figures(
        with_defects(
            index,
            [
                ("red_disc", "normal", (1, 0, 0)),
                ("red_disc", "crack", (1, 0, 0)),
                ("red_disc", "crack", (1, 0.1, 0)),
                ("red_disc", "stain", (0, 0, 1)),
                ("red_disc", "stain", (1, 0.2, 0.1)),
                ("red_disc", "dent", (0, 1, 0)),
                ("blue_bar", "crack", (0, 0, 1)),
            ],
        )
    )
    by_product = {item.product: item for item in found}
    disc = by_product["red_disc"]
    assert (disc.defects, disc.right.count, disc.right.n, disc.alone) == (3, 3, 4, 1)
    assert disc.chance == pytest.approx(1 / 3)
    assert (by_product["blue_bar"].right.n, by_product["blue_bar"].alone) == (0, 1)
    assert (by_product["all"].right.count, by_product["all"].right.n) == (3, 4)
    assert by_product["all"].chance == pytest.approx(1 / 3)


def test_without_pictures_of_defects_nothing_is_said_of_them(index: KnowledgeIndex) -> None:
    assert defect_figures(index) == ()
    assert defect_figures(with_defects(index, [("red_disc", "crack", (1, 0, 0))])) == ()


@given(seed=st.integers(0, 50))
def test_chance_is_chance(index: KnowledgeIndex, seed: int) -> None:
    """Shares stay between 0 and 1, whatever the vectors are."""
    rng = np.random.default_rng(seed)
    rows = [
        ("red_disc", str(rng.choice(["crack", "stain"])), (float(rng.normal()), float(rng.normal()), 1.0))
        for _ in range(6)
    ]
    found = defect_figures(with_defects(index, rows))
    assume(found)
    assert 0 <= found[-1].right.count <= found[-1].right.n == sum(item.right.n for item in found[:-1])
