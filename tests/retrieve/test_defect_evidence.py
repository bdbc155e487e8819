"""What an image says of a product's defects, worked out by hand in three dimensions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mmad_rag.index import KnowledgeIndex, Reference
from mmad_rag.records import FloatArray
from mmad_rag.retrieve.routing.defect_evidence import DefectEvidence


def unit(*values: float) -> FloatArray:
    vector = np.asarray(values, np.float32)
    scaled: FloatArray = (vector / np.linalg.norm(vector)).astype(np.float32)
    return scaled


def with_references(index: KnowledgeIndex, *found: tuple[str, str, FloatArray]) -> KnowledgeIndex:
    """The index with these references of (entry, digest, vector), all of the red disc."""
    references = tuple(Reference("red_disc", f"{digest}.png", digest, entry) for entry, digest, _ in found)
    return dataclasses.replace(
        index, references=references, reference_vectors=np.stack([vector for _, _, vector in found])
    )


def test_a_picture_speaks_for_the_defect_whose_picture_is_nearest(index: KnowledgeIndex) -> None:
    known = with_references(
        index,
        ("normal", "a", unit(1, 0, 0)),
        ("crack", "b", unit(0, 1, 0)),
        ("crack", "c", unit(0, 0, 1)),
        ("stain", "d", unit(1, 1, 0)),
    )
    query = unit(1, 3, 0)
    # cosines: normal 1 / sqrt(10), crack 3 / sqrt(10), stain 4 / sqrt(20)
    normal, crack, stain = 1 / 10**0.5, 3 / 10**0.5, 4 / 20**0.5
    assert DefectEvidence(known).of("red_disc", query) == pytest.approx(
        {"crack": 1.0, "stain": (stain - normal) / (crack - normal)}, abs=1e-5
    )
    assert DefectEvidence(known).of("red_disc", unit(1, 0, 0)) == pytest.approx(
        {"crack": 0.0, "stain": 0.5**0.5}, abs=1e-5
    )
    assert DefectEvidence(known).of("blue_bar", query) == {}


def test_the_querys_own_bytes_and_a_lack_of_pictures_are_no_evidence(index: KnowledgeIndex) -> None:
    known = with_references(index, ("normal", "a", unit(1, 0, 0)), ("crack", "b", unit(0, 1, 0)))
    assert DefectEvidence(known).of("red_disc", unit(0, 1, 0)) == {"crack": 1.0}
    assert DefectEvidence(known).of("red_disc", unit(0, 1, 0), {"b"}) == {}
    alone = with_references(index, ("crack", "b", unit(0, 1, 0)))
    assert DefectEvidence(alone).of("red_disc", unit(0, 1, 0)) == {}
    assert DefectEvidence(index).of("red_disc", unit(0, 1, 0)) == {}
    assert not DefectEvidence(index)
