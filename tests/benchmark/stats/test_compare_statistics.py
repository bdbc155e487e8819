"""Small statistics of a comparison: against statsmodels, published definitions and numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from mmad_rag.benchmark.stats.small_sample import mcnemar, small_cell, too_few, wilson
from mmad_rag.benchmark.stats.verdict import Verdict, holm, judge
from mmad_rag.benchmark.stats.wild_bootstrap import wild_bootstrap
from mmad_rag.errors import DataError


def test_mcnemar_by_hand() -> None:
    """Three changes, all one way: 2 * (1/2)^3. No change at all says nothing."""
    assert mcnemar(3, 0) == mcnemar(0, 3) == 0.25
    assert mcnemar(5, 1) == pytest.approx(2 * (1 + 6) / 64)
    assert mcnemar(0, 0) == mcnemar(2, 2) == 1.0


@given(st.integers(0, 150), st.integers(0, 150))
def test_mcnemar_is_that_of_statsmodels(gained: int, lost: int) -> None:
    theirs = their_mcnemar([[7, gained], [lost, 3]], exact=True).pvalue
    assert mcnemar(gained, lost) == pytest.approx(float(theirs), rel=1e-9)


@given(st.integers(1, 400), st.floats(0, 1), st.sampled_from([0.9, 0.95]))
def test_wilson_is_that_of_statsmodels(questions: int, share: float, confidence: float) -> None:
    right = round(share * questions)
    theirs = proportion_confint(right, questions, alpha=1 - confidence, method="wilson")
    assert wilson(right, questions, confidence=confidence) == pytest.approx(theirs, abs=1e-9)


def test_wilson_needs_a_question() -> None:
    with pytest.raises(DataError, match="a share of 0 questions has no interval"):
        wilson(0, 0)


def test_a_small_cell_holds_both_arms_in_percent() -> None:
    """Wilson's 95 % interval of 5 in 10 is (0.2366, 0.7634), of 8 in 10 (0.4902, 0.9433)."""
    found = small_cell(10, 5, 8, 3, 0)
    assert found.mcnemar_p == 0.25
    assert (found.baseline_low, found.baseline_high) == pytest.approx((23.66, 76.34), abs=0.01)
    assert (found.arm_low, found.arm_high) == pytest.approx((49.02, 94.33), abs=0.01)


@settings(max_examples=10, deadline=None)  # theirs takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_by_hand_leaves_out_what_was_not_tested() -> None:
    """Sorted 0.01, 0.03, 0.04, times 3, 2, 1, never falling."""
    assert holm([0.01, None, 0.04, 0.03]) == pytest.approx((0.03, None, 0.06, 0.06))
    assert holm([]) == ()


@pytest.mark.parametrize(
    ("difference", "p_value", "equivalence_p", "expected"),
    [
        (3.0, 0.01, 0.9, Verdict.BETTER),
        (-3.0, 0.01, 0.9, Verdict.WORSE),
        (3.0, 0.05, 0.9, Verdict.UNDECIDED),
        (0.4, 0.01, 0.01, Verdict.NO_DIFFERENCE),
        (0.0, 1.0, 0.01, Verdict.NO_DIFFERENCE),
        (0.0, 1.0, 0.05, Verdict.UNDECIDED),
        (5.0, 0.01, None, Verdict.BETTER),
        (5.0, None, None, Verdict.UNDECIDED),
    ],
)
def test_verdicts(
    difference: float, p_value: float | None, equivalence_p: float | None, expected: Verdict
) -> None:
    """Equality within the margin goes before a difference that is certain and tiny."""
    assert judge(difference, p_value, equivalence_p) is expected


def test_equality_is_not_concluded_from_few_questions_or_flips() -> None:
    """Of n questions none changed: up to 2.706 / (n + 2.706) may, below 1 % from n = 268 on."""
    assert too_few(4, 0, 1.0)
    assert too_few(267, 0, 1.0)
    assert not too_few(268, 0, 1.0)
    assert too_few(400, 3, 1.0)  # 3 of 400 may well be 1.9 %
    assert not too_few(400, 3, 2.0)
    assert not too_few(300, 10, 1.0)  # enough for an interval of its own


# --- the wild bootstrap


def told_slowly(
    groups: list[np.ndarray], difference: float, hypothesis: float, draws: int, seed: int
) -> float:
    """The p-value one draw at a time: values under the hypothesis times weights, then their t."""
    rng = np.random.default_rng(seed)
    points = np.concatenate([-np.sqrt([0.5, 1, 1.5]), np.sqrt([0.5, 1, 1.5])])
    weights = [rng.choice(points, size=(draws, len(group))) for group in groups]

    def t_of(values: list[np.ndarray], target: float) -> float:
        error = math.sqrt(sum(float(found.var(ddof=1)) / len(found) for found in values))
        return abs(sum(float(found.mean()) for found in values) - target) / error

    shift = (difference - hypothesis) / len(groups)
    observed = t_of([group + difference / len(groups) for group in groups], hypothesis)
    extreme = sum(
        t_of([found[draw] * (group + shift) for found, group in zip(weights, groups, strict=True)], 0.0)
        >= observed
        for draw in range(draws)
    )
    return (1 + extreme) / (1 + draws)


def centred(seed: int, *sizes: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    groups = [rng.normal(0, 3, size) / len(sizes) for size in sizes]
    return [group - group.mean() for group in groups]


@pytest.mark.parametrize("sizes", [(7,), (5, 9), (15, 12, 5, 6)])
def test_the_wild_bootstrap_is_that_of_its_definition(sizes: tuple[int, ...]) -> None:
    groups = centred(3, *sizes)
    found = wild_bootstrap(1.3, groups, draws=499, seed=8)
    assert found.p_value == pytest.approx(told_slowly(groups, 1.3, 0.0, 499, 8))
    assert found.low is not None
    assert found.high is not None
    assert found.low < 1.3 < found.high
    for end, outwards in ((found.low, -0.02), (found.high, 0.02)):
        assert told_slowly(groups, 1.3, end + outwards, 499, 8) < 0.05 + 2 / 500
        assert told_slowly(groups, 1.3, end - outwards, 499, 8) >= 0.05 - 2 / 500


def test_the_wild_bootstrap_agrees_with_t_for_many_products() -> None:
    from scipy.stats import ttest_1samp

    (group,) = centred(5, 60)
    found = wild_bootstrap(0.9, [group], draws=9_999)
    theirs = ttest_1samp(group + 0.9, 0.0)
    assert found.p_value == pytest.approx(float(theirs.pvalue), abs=0.012)
    low, high = theirs.confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.06)


def test_two_products_reject_nothing() -> None:
    """Of two weights 6 in 36 are equal, which no statistic can be more extreme than."""
    found = wild_bootstrap(50.0, [np.array([-0.1, 0.1])])
    assert found.p_value > 0.1
    assert (found.low, found.high) == (None, None)
