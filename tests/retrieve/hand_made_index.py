"""Indexes of vectors made by hand, whose scores can be worked out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mmad_rag.index import Key, KnowledgeIndex, Reference
from mmad_rag.index.manifest import Calibration, Logistic, ReferenceScale
from mmad_rag.records import FloatArray
from mmad_rag.retrieve.routing.calibrate import (
    with_calibration,
)
from mmad_rag.retrieve.routing.leave_one_out import LabelledVector


def unit(*values: float) -> FloatArray:
    vector = np.asarray(values, np.float32)
    scaled: FloatArray = vector / np.linalg.norm(vector)
    return scaled


def index_of(
    base: KnowledgeIndex,
    keys: Sequence[tuple[str, FloatArray]] = (),
    references: Sequence[tuple[str, str, str, FloatArray]] = (),
) -> KnowledgeIndex:
    """The tiny world with other keys (product, vector) and references (product, digest, view, vector)."""
    return dataclasses.replace(
        base,
        manifest=base.manifest.model_copy(update={"calibration": None}),
        keys=tuple(Key(product, f"key {number}") for number, (product, _) in enumerate(keys)),
        key_vectors=_stacked([vector for _, vector in keys]),
        references=tuple(
            Reference(product, f"{digest}.png", digest, view=view) for product, digest, view, _ in references
        ),
        reference_vectors=_stacked([vector for *_, vector in references]),
    )


def _stacked(vectors: Sequence[FloatArray]) -> FloatArray:
    return np.stack(vectors).astype(np.float32) if vectors else np.empty((0, 3), np.float32)


def spread_references(base: KnowledgeIndex, *, copies: int = 6, seed: int = 0) -> KnowledgeIndex:
    """Noisy images around one axis per product."""
    rng = np.random.default_rng(seed)
    axes = np.eye(3)
    rows = [
        (product, f"{product}{copy}", "whole", unit(*(axes[number] + rng.normal(0, 0.08, 3))))
        for number, product in enumerate(base.products)
        for copy in range(copies)
    ]
    return index_of(base, references=rows)


def labelled(axis: npt.NDArray[np.float64], product: str | None, count: int) -> list[LabelledVector]:
    rng = np.random.default_rng(len(product or ""))
    return [
        LabelledVector(unit(*(axis + rng.normal(0, 0.08, 3))), f"{product}-{number}", product)
        for number in range(count)
    ]


def tied(index: KnowledgeIndex) -> KnowledgeIndex:
    """Everything is known, and a lead of one tenth of a deviation is not a lead."""
    calibration = Calibration(
        method="labelled",
        images=4,
        known_share=0.5,
        reference=Logistic(weights=(0.0, 0.0), bias=10.0),
        both=Logistic(weights=(0.0, 0.0, 0.0), bias=10.0),
        text=None,
        references=ReferenceScale(),
        tie_scale=0.5,
        threshold=0.5,
    )
    return with_calibration(index, calibration)
