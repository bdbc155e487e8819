"""New products: by hand, against scipy, and on runs whose truth is known."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pytest

from mmad_rag.benchmark.analysis.compare import Comparison, Difference, compare_arms
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.stats.jackknife import NewProducts, leave_out
from mmad_rag.benchmark.stats.verdict import Verdict
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question
from tests.support.bench import question, row
from tests.support.paths import ROOT

AD, CLS, LOC = "Anomaly Detection", "Defect Classification", "Defect Localization"


def asked(
    dataset: str, products: int, images: int, *, label: str = "bad", subtask: str = CLS
) -> list[Question]:
    return [
        question(f"{dataset}/p{product}/test/{label}/{image}.png", subtask)
        for product in range(products)
        for image in range(images)
    ]


def rows_of(items: Sequence[Question], arms: Mapping[str, Iterable[float]]) -> list[OutcomeRow]:
    return [
        row(item, Outcome.CORRECT if hit else Outcome.WRONG, arm)
        for arm, right in arms.items()
        for item, hit in zip(items, right, strict=True)
    ]


def compared(
    items: Sequence[Question], none: Iterable[float], rag: Iterable[float], **options: float
) -> Comparison:
    rows = rows_of(items, {"none": none, "rag": rag})
    return compare_arms(rows, items, "none", "rag", replicates=200, margin=options.get("margin", 1.0))


def column(comparison: Comparison, name: str) -> Difference:
    return next(found for found in comparison.columns if found.column == name)


def elsewhere(found: Difference) -> NewProducts:
    assert found.new_products is not None
    return found.new_products


def gains(items: Sequence[Question], right: np.ndarray) -> np.ndarray:
    """Gain of each product in points, all with as many questions."""
    products = list(dict.fromkeys((item.dataset, item.product) for item in items))
    change = 100.0 * (right[1].astype(float) - right[0].astype(float))
    return np.array(
        [
            np.mean([c for c, item in zip(change, items, strict=True) if (item.dataset, item.product) == key])
            for key in products
        ]
    )


# --- new products


def test_new_products_by_hand() -> None:
    """Three products of two questions gain 0, 50 and 100: mean 50, error 50 / sqrt(3), t(2) = 4.303."""
    items = asked("VisA", 3, 2)
    found = elsewhere(column(compared(items, [0] * 6, [0, 0, 1, 0, 1, 1]), CLS))
    assert found.products == 3
    assert found.df == pytest.approx(2.0)
    assert found.standard_error == pytest.approx(50 / np.sqrt(3))
    assert (found.low, found.high) == pytest.approx((50 - 124.2, 50 + 124.2), abs=0.05)
    assert found.p_value == pytest.approx(0.2254, abs=1e-4)  # t = 1.732
    assert found.verdict is Verdict.UNDECIDED


def test_one_dataset_of_equal_products_is_the_t_test_over_products() -> None:
    from scipy import stats

    rng = np.random.default_rng(2)
    items = asked("VisA", 9, 20)
    right = rng.random((2, len(items))) < [[0.5], [0.65]]
    found = elsewhere(column(compared(items, right[0], right[1]), "Average"))
    theirs = stats.ttest_1samp(gains(items, right), 0.0)
    assert found.df == pytest.approx(8.0)
    assert found.p_value == pytest.approx(float(theirs.pvalue))
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_two_datasets_of_equal_products_are_welchs_t_test() -> None:
    """The mean of two means is half the difference of one and the negative other: Welch's t and df."""
    from scipy import stats

    rng = np.random.default_rng(4)
    items = [*asked("VisA", 12, 20), *asked("DS-MVTec", 5, 20)]
    right = rng.random((2, len(items))) < [[0.5], [0.6]]
    found = elsewhere(column(compared(items, right[0], right[1]), "Average"))
    change = gains(items, right)
    theirs = stats.ttest_ind(change[:12], -change[12:], equal_var=False)
    assert found.df == pytest.approx(float(theirs.df))
    assert found.p_value == pytest.approx(float(theirs.pvalue))
    assert 2 * found.low == pytest.approx(float(theirs.confidence_interval().low))


def test_a_product_is_left_out_of_the_whole_nested_average() -> None:
    """Detection 1/1 normal and 1/2 abnormal is 75; without p1 (its abnormal one wrong) 100, without p0 0."""
    items = [
        question("VisA/p0/test/good/0.png", AD),
        question("VisA/p0/test/bad/0.png", AD),
        question("VisA/p1/test/bad/0.png", AD),
        question("VisA/p1/test/bad/0.png", CLS, position=1),
    ]
    found = leave_out(items, np.array([[1], [1], [0], [1]], dtype=bool))
    assert found.averages[:, 0, 0].tolist() == [0.0, 100.0]
    assert found.averages[:, 0, -1].tolist() == [50.0, 100.0]
    assert found.asked[:, 1].tolist() == [False, True]
    assert [group.tolist() for group in found.groups(0)] == [[0, 1]]
    assert [group.tolist() for group in found.groups(1)] == [[1]]


def test_one_product_of_a_dataset_tells_nothing_of_others() -> None:
    items = [*asked("VisA", 3, 4), *asked("DS-MVTec", 1, 4)]
    found = column(compared(items, [0] * 16, [1, 0, 0, 0, 1, 1, 0, 0] * 2), "Average")
    assert found.new_products is None
    assert found.low is not None


def test_products_that_do_not_differ_tell_nothing_of_others() -> None:
    items = asked("VisA", 3, 2)
    assert column(compared(items, [0] * 6, [1, 0] * 3), "Average").new_products is None


def test_datasets_that_lack_a_subtask_do_not_count_in_its_column() -> None:
    items = [*asked("VisA", 3, 2), *asked("DS-MVTec", 4, 2, subtask=LOC)]
    comparison = compared(items, [0] * 14, [0, 0, 1, 0, 1, 1, *[1, 0, 0, 0, 1, 1, 1, 0]])
    assert [elsewhere(found).products for found in comparison.columns] == [3, 4, 7]


# --- verdicts of a comparison


def test_a_certain_gain_is_better_on_both_counts() -> None:
    rng = np.random.default_rng(6)
    items = asked("VisA", 10, 40)
    none = rng.random(400) < 0.4
    comparison = compared(items, none, none | (rng.random(400) < 0.5))
    average = column(comparison, "Average")
    assert average.verdict is elsewhere(average).verdict is Verdict.BETTER
    worse = column(compared(items, none | (rng.random(400) < 0.5), none), "Average")
    assert worse.verdict is elsewhere(worse).verdict is Verdict.WORSE


def test_products_that_disagree_leave_new_ones_undecided() -> None:
    """Eight of ten products gain and two lose, each for certain: better here, who knows elsewhere."""
    items = asked("VisA", 10, 40)
    half = [1, 0] * 20
    rag = [*([1] * 40) * 6, *half * 2, *([0] * 40) * 2]
    average = column(compared(items, half * 10, rag), "Average")
    assert average.verdict is Verdict.BETTER
    assert elsewhere(average).verdict is Verdict.UNDECIDED


def test_arms_that_agree_in_many_questions_do_not_differ() -> None:
    items = asked("VisA", 10, 40)
    average = column(compared(items, [1] * 400, [1] * 400), "Average")
    assert average.verdict is Verdict.NO_DIFFERENCE
    few = column(compared(items[:80], [1] * 80, [1] * 80), "Average")
    assert (few.verdict, few.equivalence_p) == (Verdict.UNDECIDED, None)


def test_a_wide_margin_makes_differences_meaningless() -> None:
    rng = np.random.default_rng(7)
    items = asked("VisA", 10, 40)
    none = rng.random(400) < 0.4
    rag = none | (rng.random(400) < 0.1)
    assert column(compared(items, none, rag), "Average").verdict is Verdict.BETTER
    found = column(compared(items, none, rag, margin=20.0), "Average")
    assert found.verdict is elsewhere(found).verdict is Verdict.NO_DIFFERENCE


def test_small_columns_must_also_pass_the_exact_test() -> None:
    """Three of three images gain: every draw is 100, the flips alone have p = 1/4."""
    found = column(compared(asked("VisA", 3, 1), [0, 0, 0], [1, 1, 1]), CLS)
    assert (found.low, found.p_value, found.verdict) == (100.0, 0.25, Verdict.UNDECIDED)
    assert found.small is not None
    assert found.small.mcnemar_p == 0.25
    large = column(compared(asked("VisA", 10, 30), [0] * 300, [1] * 300), CLS)
    assert large.small is None


def test_subtasks_are_adjusted_and_the_average_is_not() -> None:
    rng = np.random.default_rng(9)
    items = [item for subtask in (CLS, LOC) for item in asked("VisA", 6, 60, subtask=subtask)]
    items = [question(item.image_path, item.subtask, position=place) for place, item in enumerate(items)]
    right = rng.random((2, len(items))) < [[0.5], [0.58]]
    comparison = compared(items, right[0], right[1])
    first, second, average = comparison.columns
    assert average.adjusted_p == average.p_value
    assert elsewhere(average).adjusted_p == elsewhere(average).p_value
    small = min(first, second, key=lambda item: elsewhere(item).p_value)
    assert elsewhere(small).adjusted_p == pytest.approx(2 * elsewhere(small).p_value)
    assert first.adjusted_p is not None
    assert first.p_value is not None
    assert first.adjusted_p >= first.p_value


@pytest.mark.parametrize("margin", [-1.0, float("nan")])
def test_a_margin_below_zero_is_refused(margin: float) -> None:
    with pytest.raises(DataError, match="is not a margin; give 0 or more"):
        compared(asked("VisA", 2, 1), [0, 0], [1, 1], margin=margin)


# --- runs whose truth is known


@pytest.mark.slow
def test_intervals_hold_what_they_promise_when_products_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """By products truth and null are held as promised; by images the null falls far too often."""
    path = ROOT / "benchmarks" / "coverage.py"
    spec = importlib.util.spec_from_file_location("simulated_coverage", path)  # not the library `coverage`
    assert spec is not None
    assert spec.loader is not None
    coverage = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, coverage)
    spec.loader.exec_module(coverage)
    questions = coverage.layout(coverage.PRODUCTS)
    shares = coverage.simulate(questions, runs=400, spread=10.0, effect=0.0, column="Average", replicates=200)
    assert 0.92 <= shares.images_cover_these <= 0.98
    assert 0.925 <= shares.t_covers_all <= 0.975
    assert 0.92 <= shares.wild_covers_all <= 0.98
    assert 0.02 <= shares.t_rejects <= 0.075
    assert 0.02 <= shares.wild_rejects <= 0.08
    assert shares.images_reject > 0.1
