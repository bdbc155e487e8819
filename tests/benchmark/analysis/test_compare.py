"""Paired comparison: differences by hand, intervals against the exact distribution and against scipy."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.benchmark.analysis.compare import Comparison, Difference, compare_arms
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.benchmark.stats.resample import averages_over, drawn_images, every_image_once, strata_of
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question
from tests.support.bench import question, row

AD, CLS = "Anomaly Detection", "Defect Classification"


def images(count: int, label: str = "bad", dataset: str = "VisA") -> list[str]:
    return [f"{dataset}/pcb1/test/{label}/{place:03}.JPG" for place in range(count)]


def arm_rows(items: Sequence[Question], right: Sequence[int], arm: str) -> list[OutcomeRow]:
    outcomes = [Outcome.CORRECT if hit else Outcome.WRONG for hit in right]
    return [row(item, outcome, arm) for item, outcome in zip(items, outcomes, strict=True)]


def compared(
    items: Sequence[Question],
    none: Sequence[int],
    rag: Sequence[int],
    *,
    replicates: int = 2000,
    seed: int = 0,
) -> Comparison:
    rows = [*arm_rows(items, none, "none"), *arm_rows(items, rag, "rag")]
    return compare_arms(rows, items, "none", "rag", replicates=replicates, seed=seed)


def column(comparison: Comparison, name: str) -> Difference:
    return next(found for found in comparison.columns if found.column == name)


# --- by hand


def test_a_difference_by_hand() -> None:
    """Four images of one question; one goes from wrong to right: 25 -> 50.

    A draw of four images holds k of that one, k binomial (4, 1/4): its 2.5 % quantile is 0 (P(0) = 0.32), its
    97.5 % quantile 3 (P(k <= 2) = 0.949, P(k <= 3) = 0.996), so the interval is [0, 75].
    """
    items = [question(image, CLS) for image in images(4)]
    comparison = compared(items, [1, 0, 0, 0], [1, 1, 0, 0])
    for found, name in zip(comparison.columns, (CLS, AVERAGE), strict=True):
        assert (found.column, found.questions) == (name, 4)
        assert (found.baseline, found.arm, found.difference) == (25.0, 50.0, 25.0)
        assert (found.low, found.high) == (0.0, 75.0)
        assert (found.wrong_to_right, found.right_to_wrong) == (1, 0)
    assert (comparison.images, comparison.replicates, comparison.seed) == (4, 2000, 0)


def test_flips_are_counted_in_both_directions() -> None:
    items = [question(image, CLS) for image in images(6)]
    found = column(compared(items, [1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0]), CLS)
    assert (found.wrong_to_right, found.right_to_wrong) == (1, 2)
    assert found.difference == pytest.approx(-100 / 6)


def test_the_nested_macro_by_hand() -> None:
    """VisA: detection 1/1 normal, 1/2 abnormal -> 75, classification 0/1 -> 0: 37.5. MVTec: 1/1 -> 100.

    With knowledge VisA's missed defect is seen and its class is found: 100; MVTec loses its one: 0.
    """
    items = [
        question(images(1, "good")[0], AD, answer="B"),
        *(question(image, AD) for image in images(2)),
        question(images(1)[0], CLS, position=1),
        question(images(1, dataset="DS-MVTec")[0], CLS),
    ]
    comparison = compared(items, [1, 1, 0, 0, 1], [1, 1, 1, 1, 0])
    found = [(item.column, item.questions, item.baseline, item.arm) for item in comparison.columns]
    assert found == [
        (AD, 3, 75.0, 100.0),
        (CLS, 2, 50.0, 50.0),
        (AVERAGE, 5, (37.5 + 100) / 2, 50.0),
    ]
    average = column(comparison, AVERAGE)
    assert (average.difference, average.wrong_to_right, average.right_to_wrong) == (-18.75, 2, 1)


def test_questions_of_an_image_stay_together() -> None:
    """Ten questions per image, all with the image's outcome, are no more evidence than one."""
    one = [question(image, CLS) for image in images(4)]
    ten = [question(image, CLS, position=place) for image in images(4) for place in range(10)]
    single = column(compared(one, [0, 0, 0, 0], [0, 1, 0, 0]), CLS)
    many = column(compared(ten, [0] * 40, [0] * 10 + [1] * 10 + [0] * 20), CLS)
    assert (single.low, single.high) == (many.low, many.high) == (0.0, 75.0)


def test_an_image_that_never_changes_has_no_interval() -> None:
    items = [question(image, CLS) for image in images(5)]
    found = column(compared(items, [1, 0, 1, 0, 1], [1, 0, 1, 0, 1]), CLS)
    assert (found.difference, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_column_that_no_draw_holds_has_no_interval() -> None:
    """Only one of forty images has a localization question; the one draw made here misses it."""
    items = [question(image, CLS) for image in images(40)]
    items.append(question(images(1)[0], "Defect Localization", position=1))
    seeds = (compared(items, [0] * 41, [1] * 41, replicates=1, seed=seed) for seed in range(20))
    found = [column(comparison, "Defect Localization") for comparison in seeds]
    assert {(item.low, item.high) for item in found} == {(None, None), (100.0, 100.0)}


def test_rates_of_unusable_answers() -> None:
    items = [question(image, CLS) for image in images(4)]
    outcomes = [Outcome.INVALID, Outcome.FAILED, Outcome.INVALID, Outcome.CORRECT]
    rows = [row(item, outcome, "rag") for item, outcome in zip(items, outcomes, strict=True)]
    comparison = compare_arms([*rows, *arm_rows(items, [1, 1, 1, 1], "none")], items, "none", "rag")
    assert (comparison.arm.arm, comparison.arm.questions) == ("rag", 4)
    assert (comparison.arm.invalid, comparison.arm.failed) == (2, 1)
    assert (comparison.arm.invalid_rate, comparison.arm.failed_rate) == (0.5, 0.25)
    assert (comparison.baseline.invalid_rate, comparison.baseline.failed_rate) == (0.0, 0.0)
    assert column(comparison, CLS).right_to_wrong == 3


# --- against other computations


def random_run(seed: int, count: int = 40) -> tuple[list[Question], list[int], list[int]]:
    rng = np.random.default_rng(seed)
    items = []
    for dataset in ("VisA", "DS-MVTec", "GoodsAD"):
        for image in images(count // 2, "good", dataset):
            items += [question(image, AD), question(image, "Object Analysis", position=1)]
        for image in images(count, "bad", dataset):
            items += [question(image, AD), question(image, CLS, position=1), question(image, CLS, position=2)]
    none, rag = rng.random((2, len(items))) < [[0.5], [0.6]]
    return items, list(none), list(rag)


def test_the_measure_is_that_of_the_fixed_rule() -> None:
    items, none, rag = random_run(1)
    comparison = compared(items, none, rag, replicates=1)
    for name, right in (("baseline", none), ("arm", rag)):
        table = score_run(arm_rows(items, right, "x"), items, Rule.FIXED, "x")
        for found in comparison.columns:
            assert getattr(found, name) == pytest.approx(table.cell(AVERAGE, found.column).percent)


def told_slowly(items: Sequence[Question], right: Sequence[int], weight: dict[str, float]) -> list[float]:
    """The last row of the table, one question at a time."""

    def mean(values: list[float]) -> float:
        there = [value for value in values if not np.isnan(value)]
        return sum(there) / len(there) if there else float("nan")

    def accuracy(dataset: str, subtask: str, labels: set[str]) -> float:
        chosen = [
            (hit, weight[item.image_path])
            for item, hit in zip(items, right, strict=True)
            if (item.dataset, item.subtask) == (dataset, subtask) and item.label in labels
        ]
        total = sum(times for _, times in chosen)
        return 100 * sum(hit * times for hit, times in chosen) / total if total else float("nan")

    table = []
    for dataset in {item.dataset: None for item in items}:
        cells = [accuracy(dataset, subtask, {"good", "bad"}) for subtask in MMAD_COLUMNS.names]
        cells[0] = mean([accuracy(dataset, AD, {"good"}), accuracy(dataset, AD, {"bad"})])
        table.append([*cells, mean(cells)])
    return [mean([cells[place] for cells in table]) for place in range(8)]


@given(st.integers(0, 1000))
def test_a_draw_is_averaged_as_if_its_images_stood_there_as_often(seed: int) -> None:
    items, none, rag = random_run(seed, count=6)
    strata = strata_of(items, np.array([none, rag]).T)
    (weights,) = drawn_images(strata, 2, seed)
    before, after = averages_over(strata, [weights])
    order = [list(dict.fromkeys(q.image_path for q in items if (q.dataset, q.label) == place)) for place in
             dict.fromkeys((q.dataset, q.label) for q in items)]  # fmt: skip
    for draw in range(2):
        weight = {
            image: times
            for stratum, names in zip(weights, order, strict=True)
            for image, times in zip(names, stratum[draw], strict=True)
        }
        np.testing.assert_allclose(before[draw], told_slowly(items, none, weight))
        np.testing.assert_allclose(after[draw], told_slowly(items, rag, weight))


def test_every_draw_has_as_many_images_as_the_stratum() -> None:
    items, none, rag = random_run(3, count=8)
    strata = strata_of(items, np.array([none, rag]).T)
    assert [weight.tolist() for weight in every_image_once(strata)] == [[[1.0] * n] for n in (4, 8) * 3]
    blocks = list(drawn_images(strata, 600, 5))
    assert [len(block[0]) for block in blocks] == [256, 256, 88]
    for block in blocks:
        for weight, stratum in zip(block, strata, strict=True):
            assert (weight.sum(axis=1) == len(stratum.counts)).all()
    drawn = np.concatenate([block[1] for block in blocks])
    assert drawn.mean(axis=0) == pytest.approx(np.ones(8), abs=0.15)


@pytest.mark.slow
def test_the_interval_agrees_with_scipy() -> None:
    """One column, one question per image: an ordinary percentile bootstrap of a paired mean."""
    from scipy import stats

    rng = np.random.default_rng(7)
    items = [question(image, CLS) for image in images(150)]
    none, rag = rng.random(150) < 0.5, rng.random(150) < 0.7
    ours = column(compared(items, list(none), list(rag), replicates=20_000), CLS)
    theirs = stats.bootstrap(
        (100.0 * rag - 100.0 * none,), np.mean, n_resamples=20_000, method="percentile", rng=rng
    ).confidence_interval
    assert ours.low == pytest.approx(theirs.low, abs=0.8)
    assert ours.high == pytest.approx(theirs.high, abs=0.8)


@pytest.mark.slow
def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """400 runs of 60 images, two correlated questions each; the arm is truly 10 points better."""
    rng = np.random.default_rng(11)
    items = [question(image, CLS, position=place) for image in images(60) for place in range(2)]
    covered = 0
    for number in range(400):
        ease = rng.normal(0, 0.15, 60).repeat(2)  # what the questions of an image share
        none = rng.random(120) < np.clip(0.5 + ease, 0, 1)
        rag = rng.random(120) < np.clip(0.6 + ease, 0, 1)
        found = column(compared(items, list(none), list(rag), replicates=400, seed=number), CLS)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 10 <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_the_same_seed_is_the_same_interval_and_another_seed_a_close_one() -> None:
    items, none, rag = random_run(5)
    first, again, other = (compared(items, none, rag, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first.columns != other.columns
    one, two = column(first, AVERAGE), column(other, AVERAGE)
    assert one.low == pytest.approx(two.low, abs=1.0)
    assert [found.column for found in first.columns] == [
        name for name in MMAD_COLUMNS.with_average if name in (AD, CLS, "Object Analysis", AVERAGE)
    ]


# --- refusing


def test_arms_that_were_asked_different_questions_are_refused() -> None:
    items = [question(image, CLS) for image in images(3)]
    rows = [*arm_rows(items, [1, 1, 1], "none"), *arm_rows(items[:2], [1, 1], "rag")]
    with pytest.raises(DataError, match="1 of 3 questions have no outcome in the arm rag"):
        compare_arms(rows, items, "none", "rag")
    with pytest.raises(DataError, match="no outcomes of the arm 'oracle'"):
        compare_arms(rows, items, "none", "oracle")


def test_arms_that_were_shown_different_pictures_are_refused() -> None:
    items = [question(image, CLS) for image in images(1)]
    none, rag = row(items[0], prompt="p1"), row(items[0], arm="rag", prompt="p2")
    with pytest.raises(DataError, match="was not the same prompt in both arms"):
        compare_arms([none, rag], items, "none", "rag")
    failed = dataclasses.replace(rag, outcome=Outcome.FAILED, prompt=None)
    assert compare_arms([none, failed], items, "none", "rag").arm.failed == 1


def test_no_draws_no_interval() -> None:
    items = [question(image, CLS) for image in images(1)]
    with pytest.raises(DataError, match="0 bootstrap draws"):
        compared(items, [1], [1], replicates=0)
