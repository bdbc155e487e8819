"""Fit the curves that turn scores of routing into probabilities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mmad_rag.index.manifest import Logistic
from mmad_rag.retrieve.routing.open_set import Evidence, KnownFeatures

_STRENGTH = 10.0
"""Inverse strength of the ridge penalty on standardised features."""
_SCALES = np.geomspace(0.02, 2.0, 60)


def fit_logistic(
    features: KnownFeatures, right: npt.NDArray[np.bool_], kind: Evidence, known_share: float
) -> Logistic | None:
    """Logistic regression on the cases of one kind, reweighted to the share of known images.

    Args:
        features: Of all cases.
        right: Whether the first product of each is right, shape (n,).
        kind: Which cases are looked at.
        known_share: What the right cases weigh together, in (0, 1); the wrong ones weigh the rest.

    Returns:
        None unless there are both right and wrong cases.
    """
    from sklearn.linear_model import LogisticRegression

    mine = np.array([found is kind for found in features.evidence], bool)
    numbers, labels = features.of(kind)[mine], right[mine]
    numbers = np.nan_to_num(numbers)
    if labels.all() or not labels.any():
        return None
    centre, spread = numbers.mean(axis=0), np.maximum(numbers.std(axis=0), 1e-6)
    weights = np.where(labels, known_share / labels.sum(), (1 - known_share) / (~labels).sum()) * len(labels)
    model = LogisticRegression(C=_STRENGTH, max_iter=1000)
    model.fit((numbers - centre) / spread, labels, sample_weight=weights)
    slopes = model.coef_[0] / spread
    bias = float(model.intercept_[0] - slopes @ centre)
    return Logistic(weights=tuple(float(slope) for slope in slopes), bias=bias)


def fit_tie_scale(leads: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> float:
    """The scale of a logistic curve through the origin that makes the sides most likely.

    One imagined case, wrong with a lead of a tenth of a deviation, keeps few cases from claiming certainty.
    """
    signed = np.append(np.where(right, leads, -leads), -0.1)
    likelihood = [-np.logaddexp(0.0, -signed / scale).sum() for scale in _SCALES]
    return round(float(_SCALES[int(np.argmax(likelihood))]), 6)
