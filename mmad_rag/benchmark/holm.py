"""Holm's adjustment of p-values that are looked at together.

Holm, Scandinavian Journal of Statistics 6 (1979): the chance that any true null hypothesis is rejected stays
below the level, whatever the dependence between the tests.
"""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Adjusted p-values in the order given; None stays None, as no test was made.

    Example:
        `holm([0.01, 0.04, 0.03])` is (0.03, 0.06, 0.06).
    """
    tested = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    so_far = 0.0
    for rank, (value, place) in enumerate(tested):
        so_far = max(so_far, min(1.0, (len(tested) - rank) * value))
        adjusted[place] = so_far
    return tuple(adjusted)
