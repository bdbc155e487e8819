"""The parts of a gain: sums of arms, what cancels out, and break-even routing by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from mmad_rag.benchmark.analysis.compare import compare_arms
from mmad_rag.benchmark.analysis.decompose import EFFECTS, Decomposition, decompose, formula_of
from mmad_rag.benchmark.stats.resample import join_arms
from mmad_rag.records import Question
from tests.benchmark.stats.test_new_products import asked, elsewhere, rows_of
from tests.support.bench import question

CLS, LOC = "Defect Classification", "Defect Localization"
RATES = {
    "none": 0.4,
    "rag": 0.6,
    "oracle": 0.7,
    "wrong": 0.3,
    "filler": 0.38,
    "blind": 0.35,
    "blind-none": 0.3,
    "other": 0.9,
}


def drawn_arms(seed: int = 1, *, images: int = 40) -> tuple[list[Question], dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    items = [*asked("VisA", 5, images), *asked("DS-MVTec", 4, images)]
    return items, {arm: rng.random(len(items)) < rate for arm, rate in RATES.items()}


def taken_apart(names: Sequence[str], replicates: int = 300) -> tuple[Decomposition, Mapping[str, float]]:
    items, arms = drawn_arms()
    rows = rows_of(items, arms)
    found = decompose(rows, items, names, replicates=replicates)
    joint = join_arms(rows, items, list(RATES), replicates=1)
    return found, dict(zip(RATES, joint.observed[:, -1].tolist(), strict=True))


def test_every_effect_is_the_sum_of_its_arms() -> None:
    found, percent = taken_apart(list(RATES))
    values = {effect.name: effect.columns[-1].value for effect in found.effects}
    assert values == pytest.approx(
        {
            "knowledge effect": percent["oracle"] - percent["none"],
            "retrieval loss": percent["oracle"] - percent["rag"],
            "length effect": percent["filler"] - percent["none"],
            "text alone": percent["blind"] - percent["blind-none"],
            "gain beyond text": percent["rag"] - percent["none"] - (percent["blind"] - percent["blind-none"]),
        }
    )
    for effect in found.effects:
        for item in effect.columns:
            assert item.low is not None
            assert item.high is not None
            assert item.low < item.value < item.high
            assert item.new_products is not None
            assert item.new_products.low < item.value < item.new_products.high
    assert (found.images, found.replicates, found.seed) == (360, 300, 0)


def test_an_effect_of_two_arms_has_the_interval_of_their_comparison() -> None:
    items, arms = drawn_arms()
    rows = rows_of(items, arms)
    (effect,) = decompose(rows, items, ["oracle", "filler", "none"], replicates=300, seed=3).effects[:1]
    comparison = compare_arms(rows, items, "none", "oracle", replicates=300, seed=3)
    for ours, theirs in zip(effect.columns, comparison.columns, strict=True):
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
        assert ours.new_products is not None
        assert ours.new_products.p_value == pytest.approx(elsewhere(theirs).p_value)


def test_only_effects_whose_arms_were_run_are_told() -> None:
    found, _ = taken_apart(["none", "rag", "oracle"], replicates=20)
    assert [effect.name for effect in found.effects] == ["knowledge effect", "retrieval loss"]
    assert found.break_even == ()
    nothing, _ = taken_apart(["none", "rag"], replicates=20)
    assert nothing.effects == ()


def test_formulas_are_written_with_the_names_of_arms() -> None:
    formulas = [formula_of(weights) for weights in EFFECTS.values()]
    assert formulas[0] == "oracle - none"
    assert formulas[-1] == "rag - none - blind + blind-none"


def test_what_arms_share_cancels_out() -> None:
    """Knowledge helps with and without the image in the very same questions: nothing is left."""
    items, arms = drawn_arms()
    gain = {"none": arms["none"], "rag": arms["rag"], "blind": arms["rag"], "blind-none": arms["none"]}
    effects = decompose(rows_of(items, gain), items, list(gain), replicates=50).effects
    left = effects[-1].columns[-1]
    assert (left.value, left.low, left.high) == (0.0, 0.0, 0.0)


# --- break-even routing


def break_even_of(none: int, oracle: int, wrong: int, *, questions: int = 100) -> Decomposition:
    items = asked("VisA", 4, questions // 4)
    rights = {"none": none, "oracle": oracle, "wrong": wrong}
    arms = {
        arm: [float(place % questions < right) for place in range(questions)] for arm, right in rights.items()
    }
    return decompose(rows_of(items, arms), items, list(arms), replicates=400)


def test_break_even_by_hand() -> None:
    """0.8 p + 0.2 (1 - p) = 0.5 at p = 1/2."""
    found = break_even_of(50, 80, 20).break_even
    assert [item.column for item in found] == [CLS, "Average"]
    assert found[0].percent == pytest.approx(50.0)
    assert found[0].low is not None
    assert found[0].high is not None
    # the share of none's questions among the 60 between: 30 of 60, so about 50 +- 1.96 * sqrt(1/4/60)
    assert (found[0].low, found[0].high) == pytest.approx((37.3, 62.7), abs=3.0)


@pytest.mark.parametrize(
    ("none", "oracle", "wrong", "percent"), [(20, 60, 30, -100 / 3), (80, 60, 30, 500 / 3)]
)
def test_break_even_may_lie_outside(none: int, oracle: int, wrong: int, percent: float) -> None:
    """Even the wrong text helps; even the right one does not."""
    assert break_even_of(none, oracle, wrong).break_even[0].percent == pytest.approx(percent)


def test_without_a_difference_between_right_and_wrong_text_routing_does_not_matter() -> None:
    for wrong in (40, 60):
        found = break_even_of(50, 40, wrong).break_even[0]
        assert (found.percent, found.low, found.high) == (None, None, None)


def test_an_uncertain_denominator_leaves_the_interval_open() -> None:
    """One question makes the whole difference: a third of the draws miss it, which allow for anything."""
    found = break_even_of(50, 41, 40).break_even[0]
    assert found.percent == pytest.approx(1000.0)
    assert (found.low, found.high) == (None, None)


def test_a_column_that_no_draw_holds_has_neither_interval() -> None:
    """Only one of forty images has a localization question; with some seeds the one draw misses it."""
    items = [*asked("VisA", 2, 20), question("VisA/p0/test/bad/0.png", LOC, position=1)]
    arms = {"none": [0.0] * 41, "oracle": [1.0] * 41, "wrong": [0.0] * 41}
    rows = rows_of(items, arms)
    runs = [decompose(rows, items, list(arms), replicates=1, seed=seed) for seed in range(12)]
    ends = {(run.effects[0].columns[1].low, run.break_even[1].low) for run in runs}
    assert ends == {(None, None), (100.0, 0.0)}
