"""The smallest gain that questions can show in benchmarks of several unequal datasets and products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from statsmodels.stats.power import TTestPower

from mmad_rag.benchmark.analysis.compare import compare_arms
from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.stats.power import MinimumDetectableEffect, detectable_gains
from mmad_rag.errors import DataError
from mmad_rag.records import Outcome, Question
from tests.support.bench import question, row

AD, CLS = "Anomaly Detection", "Defect Classification"
Z = 1.959964 + 0.841621


def asked(
    dataset: str, products: int, images: int, *, label: str = "bad", subtask: str = CLS
) -> list[Question]:
    return [
        question(f"{dataset}/p{product}/test/{label}/{image}.png", subtask)
        for product in range(products)
        for image in range(images)
    ]


def average(questions: list[Question], **assumed: float) -> MinimumDetectableEffect:
    found = detectable_gains(questions, columns=None, **assumed)[-1]
    assert found.column == AVERAGE
    return found


def test_new_products_are_close_to_statsmodels_t_power() -> None:
    """One dataset of equal products: the t-test over their gains; the central t in place of the other."""
    found = average(asked("VisA", 12, 50), discordance=0.2, product_spread=4.0)
    assert found.new_products is not None
    spread = math.sqrt(0.2 / 50 + 0.04**2)
    effect = TTestPower().solve_power(nobs=12, alpha=0.05, power=0.8)
    assert found.new_products == pytest.approx(100 * float(effect) * spread, rel=0.02)


def test_datasets_and_subtasks_count_alike_whatever_their_size() -> None:
    """Dataset one: 50 and 20 questions of two subtasks; two: 80 of one. Weights 1/4, 1/4 and 1/2."""
    items = [
        *asked("VisA", 2, 25),
        *asked("VisA", 2, 10, subtask="Object Analysis", label="good"),
        *asked("GoodsAD", 2, 40),
    ]
    variance = 0.2 * (1 / 16 / 50 + 1 / 16 / 20 + 1 / 4 / 80)
    assert average(items).these_products == pytest.approx(100 * Z * math.sqrt(variance), rel=1e-5)
    classes = detectable_gains(items)[0]
    assert (classes.column, classes.questions) == (CLS, 130)
    variance = 0.2 * (1 / 4 / 50 + 1 / 4 / 80)
    assert classes.these_products == pytest.approx(100 * Z * math.sqrt(variance), rel=1e-5)


def test_a_dataset_of_one_product_tells_nothing_of_others() -> None:
    assert average([*asked("VisA", 3, 9), *asked("GoodsAD", 1, 9)]).new_products is None


@pytest.mark.parametrize(
    "assumed",
    [
        {"discordance": math.nan},
        {"image_correlation": math.nan},
        {"product_spread": math.nan},
    ],
)
def test_numbers_that_are_no_assumptions_are_refused(assumed: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="are not assumptions"):
        detectable_gains(asked("VisA", 2, 2), **assumed)


def layout() -> list[Question]:
    """Two datasets, detection on both sides and one more subtask, unequal products."""
    return [
        question(f"{dataset}/p{product}/test/{label}/{image}.png", subtask, position=place)
        for dataset, products in (("VisA", 12), ("GoodsAD", 8))
        for product in range(products)
        for label in ("good", "bad")
        for image in range(6 + 4 * (product % 2))
        for place, subtask in enumerate((AD, CLS) if label == "bad" else (AD,))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 8.0])
def test_a_gain_of_that_size_is_found_in_four_runs_of_five(spread: float) -> None:
    """By the comparison itself: 80 % +- 4 and a sampling error of 1.8 at 500 runs, on both counts."""
    items, runs = layout(), 500
    discordance = 0.2
    found = average(items, discordance=discordance, image_correlation=0.0, product_spread=spread)
    assert found.these_products is not None
    assert found.new_products is not None
    wanted = {"here": found.these_products, "new": found.new_products}
    products = list(dict.fromkeys((item.dataset, item.product) for item in items))
    place = np.array([products.index((item.dataset, item.product)) for item in items])
    rng = np.random.default_rng(8)
    power = {}
    for which, gain in wanted.items():
        if which == "here" and spread:
            continue  # products at hand are fixed there
        hits = 0
        for seed in range(runs):
            true = (gain + spread * rng.standard_normal(len(products)))[place] / 100
            draw = rng.random(len(items))
            up = draw < (discordance + true) / 2
            down = ~up & (draw < discordance)
            base = np.where(up, False, np.where(down, True, rng.random(len(items)) < 0.5))
            after = np.where(up, True, np.where(down, False, base))
            rows = [
                row(item, Outcome.CORRECT if hit else Outcome.WRONG, arm)
                for arm, right in (("none", base), ("rag", after))
                for item, hit in zip(items, right, strict=True)
            ]
            last = compare_arms(rows, items, "none", "rag", replicates=300, seed=seed).columns[-1]
            if which == "here":
                assert last.low is not None
                hits += last.low > 0
            else:
                hits += last.new_products is not None and last.new_products.low > 0
        power[which] = hits / runs
    assert all(0.74 <= share <= 0.86 for share in power.values()), power
