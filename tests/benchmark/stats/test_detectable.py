"""The smallest gain that questions can show: by formula and against statsmodels."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

from mmad_rag.benchmark.stats.power import detectable_gains
from mmad_rag.errors import DataError
from mmad_rag.records import Question
from tests.support.bench import question


def about(product: str, count: int, subtask: str, *, side: str = "bad") -> list[Question]:
    """Questions about an image each."""
    asked = [question(f"VisA/{product}/test/{side}/{n:04}.png", subtask) for n in range(count)]
    return [dataclasses.replace(item, id=f"{item.id}{subtask}") for item in asked]


def test_one_cell_is_mcnemars_formula() -> None:
    """400 questions, a fifth discordant: (1.96 + 0.84) * sqrt(0.2 / 400)."""
    gains = detectable_gains(about("nut", 400, "Defect Analysis"), image_correlation=0.0)
    assert [gain.column for gain in gains] == ["Defect Analysis", "Average"]
    for gain in gains:
        assert gain.questions == 400
        assert gain.these_products == pytest.approx(100 * (1.959964 + 0.841621) * math.sqrt(0.2 / 400), 1e-5)
        assert gain.new_products is None  # one product tells nothing of others


def test_it_agrees_with_statsmodels_for_paired_differences() -> None:
    from statsmodels.stats.power import NormalIndPower

    (gain, _) = detectable_gains(about("nut", 900, "Defect Analysis"), discordance=0.3, image_correlation=0.0)
    effect = NormalIndPower(ddof=0).solve_power(
        nobs1=900, alpha=0.05, power=0.8, ratio=0, alternative="two-sided"
    )
    assert gain.these_products == pytest.approx(100 * effect * math.sqrt(0.3), rel=1e-4)


def test_the_average_weighs_cells_and_sides_as_the_score_does() -> None:
    """AD: 100 normal, 25 abnormal; Object Analysis: 50. Weights 1/400, 1/100 and 1/100."""
    asked = [
        *about("nut", 100, "Anomaly Detection", side="good"),
        *about("nut", 25, "Anomaly Detection"),
        *about("pin", 50, "Object Analysis", side="good"),
    ]
    gains = {gain.column: gain for gain in detectable_gains(asked, image_correlation=0.0)}
    variance = 0.2 * (100 / 400**2 + 25 / 100**2 + 50 / 100**2)
    z = 1.959964 + 0.841621
    assert gains["Average"].these_products == pytest.approx(100 * z * math.sqrt(variance), 1e-5)
    detection = 0.2 * (100 / 200**2 + 25 / 50**2)
    assert gains["Anomaly Detection"].these_products == pytest.approx(100 * z * math.sqrt(detection), 1e-5)


def test_questions_about_one_image_count_for_less() -> None:
    """Fully correlated within 50 images of four questions they are worth 50 questions."""
    asked = [
        dataclasses.replace(item, id=f"{item.id}{n}")
        for item in about("nut", 50, "Defect Analysis")
        for n in range(4)
    ]
    alone = detectable_gains(about("nut", 50, "Defect Analysis"), image_correlation=0.0)
    (together, _) = detectable_gains(asked, image_correlation=1.0)
    assert together.these_products == pytest.approx(alone[0].these_products)


def test_new_products_need_more_and_few_products_much_more() -> None:
    def gain(products: int) -> float:
        asked = [item for n in range(products) for item in about(f"p{n}", 600 // products, "Defect Analysis")]
        found = detectable_gains(asked)[-1]
        assert found.new_products is not None
        assert found.these_products is not None
        assert found.new_products > found.these_products
        return found.new_products

    assert gain(4) > 1.5 * gain(20)


def test_a_gain_that_no_arm_can_have_is_not_told() -> None:
    """Eight questions, a fifth discordant: even if all were gained, 20 points would not show."""
    for gain in detectable_gains([item for n in range(2) for item in about(f"p{n}", 4, "Defect Analysis")]):
        assert (gain.these_products, gain.new_products) == (None, None)
    (gain, _) = detectable_gains([item for n in range(2) for item in about(f"p{n}", 30, "Defect Analysis")])
    assert gain.these_products is not None
    assert gain.new_products is None  # one degree of freedom


@pytest.mark.parametrize(
    "assumed",
    [{"discordance": 0.0}, {"discordance": 1.5}, {"image_correlation": -1.0}, {"product_spread": -1.0}],
)
def test_assumptions_out_of_range_are_refused(assumed: dict[str, Any]) -> None:
    with pytest.raises(DataError, match="are not assumptions"):
        detectable_gains(about("nut", 5, "Defect Analysis"), **assumed)
    with pytest.raises(DataError, match="no questions can show no gain"):
        detectable_gains([])
