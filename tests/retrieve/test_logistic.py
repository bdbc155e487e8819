"""The curves of routing's probabilities: the optimum itself, by hand and beside scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from mmad_rag.retrieve.routing.logistic import ridge_logistic

STRENGTH = 10.0


def test_without_a_feature_that_tells_anything_the_intercept_is_the_weighted_share() -> None:
    """Three quarters of the weight are right: the odds are 3, the intercept is their logarithm."""
    labels = np.array([True, True, False])
    weights = np.array([1.5, 1.5, 1.0])
    slope, intercept = ridge_logistic(np.zeros((3, 1)), labels, weights, STRENGTH)
    assert slope == 0.0
    assert intercept == pytest.approx(math.log(3.0), abs=1e-12)


def test_mirrored_cases_give_the_slope_of_the_stationary_point() -> None:
    """At -1 wrong, at 1 right: the derivative s - 2 * strength * (1 - sigmoid(s)) is zero there."""
    slope, intercept = ridge_logistic(
        np.array([[-1.0], [1.0]]), np.array([False, True]), np.ones(2), STRENGTH
    )
    assert intercept == pytest.approx(0.0, abs=1e-9)
    assert slope == pytest.approx(2 * STRENGTH * (1 - 1 / (1 + math.exp(-slope))), abs=1e-8)


@pytest.mark.parametrize("seed", range(12))
def test_it_finds_the_optimum_of_scikit_learn(seed: int) -> None:
    """Also where the classes are separable, a feature is constant, or the weights are uneven."""
    from sklearn.linear_model import LogisticRegression

    draws = np.random.default_rng(seed)
    rows, columns = int(draws.integers(6, 200)), int(draws.integers(1, 4))
    numbers: npt.NDArray[np.float64] = draws.normal(size=(rows, columns)) * (0.1, 1.0, 3.0)[seed % 3]
    noise = draws.normal(size=rows) * (seed % 2)
    labels = numbers @ draws.normal(size=columns) * (1.0, 20.0)[seed // 6] + noise > 0
    labels[:2] = True, False
    if seed % 4 == 3:
        numbers[:, 0] = 0.0
    weights = np.where(labels, 0.75 / labels.sum(), 0.25 / (~labels).sum()) * rows
    reference = LogisticRegression(C=STRENGTH, max_iter=100_000, tol=1e-10)
    reference.fit(numbers, labels, sample_weight=weights)
    fitted = ridge_logistic(numbers, labels, weights, STRENGTH)
    expected = np.append(reference.coef_[0], reference.intercept_[0])
    np.testing.assert_allclose(fitted, expected, rtol=1e-3, atol=1e-3)
