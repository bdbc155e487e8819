"""Fit the curves that turn routing scores into probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmad_rag.index.manifest import Logistic
from mmad_rag.retrieve.routing.open_set import Evidence, OpenSetFeatures

_STRENGTH = 10.0
"""Inverse strength of the ridge penalty on standardised features."""
_SCALES = np.geomspace(0.02, 2.0, 60)
_NEWTON_STEPS = 100
_FAR = 500.0
"""Largest magnitude of an exponent; `exp` overflows above 709."""
_CLOSE = 1e-14
"""Smallest improvement of a step, as a share of the loss; below it the iteration ends."""
_LEAST_SHARE = 1e-10
"""Smallest share of a Newton step that is tried when the step is halved."""


def fit_logistic(
    features: OpenSetFeatures, right: npt.NDArray[np.bool_], kind: Evidence, known_share: float
) -> Logistic | None:
    """Logistic regression on the cases of one kind, reweighted to the share of known images.

    Args:
        features: The features of all cases.
        right: Whether the first product of each case is right, shape (n,).
        kind: The kind of evidence whose cases are fitted.
        known_share: Total weight of the right cases, in (0, 1); the wrong ones weigh the rest.

    Returns:
        The fitted curve; None unless there are both right and wrong cases.
    """
    mine = np.array([found is kind for found in features.evidence], bool)
    numbers, labels = features.of(kind)[mine], right[mine]
    numbers = np.nan_to_num(numbers)
    if labels.all() or not labels.any():
        return None
    centre, spread = numbers.mean(axis=0), np.maximum(numbers.std(axis=0), 1e-6)
    weights = np.where(labels, known_share / labels.sum(), (1 - known_share) / (~labels).sum()) * len(labels)
    fitted = ridge_logistic((numbers - centre) / spread, labels, weights)
    slopes = fitted[:-1] / spread
    bias = float(fitted[-1] - slopes @ centre)
    return Logistic(weights=tuple(float(slope) for slope in slopes), bias=bias)


def ridge_logistic(
    numbers: npt.NDArray[np.float64],
    labels: npt.NDArray[np.bool_],
    weights: npt.NDArray[np.float64],
    strength: float = _STRENGTH,
) -> npt.NDArray[np.float64]:
    """Weighted logistic regression with a ridge penalty on the slopes, by Newton's method.

    It minimises `|slopes|^2 / 2 + strength * sum(weight * log loss)`, which has one minimum. (The same as
    `LogisticRegression(C=strength)` of scikit-learn, whose import takes longer than everything else that
    routing does.)

    Args:
        numbers: Shape (n, d), standardised.
        labels: Shape (n,).
        weights: Weights of the cases, shape (n,), above 0.
        strength: Inverse of the penalty, above 0.

    Returns:
        The d slopes and the intercept, shape (d + 1,).
    """
    rows = np.column_stack([numbers, np.ones(len(numbers))])
    signs = np.where(labels, 1.0, -1.0)
    ridge = np.append(np.ones(numbers.shape[1]), 0.0)

    def loss(at: npt.NDArray[np.float64]) -> float:
        errors = np.logaddexp(0.0, -signs * (rows @ at))
        return float(ridge @ at**2 / 2 + strength * (weights @ errors))

    fitted = np.zeros(rows.shape[1])
    reached = loss(fitted)
    for _ in range(_NEWTON_STEPS):
        right = 1.0 / (1.0 + np.exp(-np.clip(rows @ fitted, -_FAR, _FAR)))
        slope = ridge * fitted + strength * (rows.T @ (weights * (right - labels)))
        curve = np.diag(ridge) + strength * (rows.T * (weights * right * (1.0 - right))) @ rows
        step = np.linalg.solve(curve, slope)
        share = 1.0
        while loss(fitted - share * step) > reached and share > _LEAST_SHARE:
            share /= 2
        fitted, before = fitted - share * step, reached
        reached = loss(fitted)
        if before - reached <= _CLOSE * abs(reached):
            break
    return fitted


def fit_tie_scale(leads: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The maximum-likelihood scale of a logistic curve through the origin.

    One pseudo-case, wrong with a lead of a tenth of a deviation, is added, so that few cases do not give
    certainty.
    """
    signed = np.append(np.where(right, leads, -leads), -0.1)
    likelihood = [-np.logaddexp(0.0, -signed / scale).sum() for scale in _SCALES]
    return round(float(_SCALES[int(np.argmax(likelihood))]), 6)
