"""A calibration whose probabilities are easily worked out."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from mmad_rag.index.data import IndexData
from mmad_rag.index.manifest import Calibration, Logistic, ReferenceScale

AnyIndex = TypeVar("AnyIndex", bound=IndexData)

CALIBRATION = Calibration(
    method="labelled",
    images=12,
    known_share=0.75,
    reference=Logistic(weights=(8.0, 2.0), bias=-5.0),
    both=Logistic(weights=(4.0, 2.0, 0.5), bias=-3.25),
    text=None,
    references=ReferenceScale(level=0.25, spread=0.125, convincing=0.75, convincing_spread=0.0625),
    tie_scale=0.125,
    threshold=0.5,
)


def with_it(index: AnyIndex) -> AnyIndex:
    """The index with that calibration in its manifest."""
    manifest = index.manifest.model_copy(update={"calibration": CALIBRATION})
    return dataclasses.replace(index, manifest=manifest)
