"""The fixtures that these tests share."""

from __future__ import annotations

import numpy as np
import pytest

from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import FloatArray
from tests.retrieve.hand_made_index import index_of, tied, unit


@pytest.fixture
def between(index: KnowledgeIndex) -> tuple[KnowledgeIndex, FloatArray]:
    """An index in which an image lies a little nearer to the red disc than to the blue bar."""
    rows = [
        (product, product, "whole", unit(*axis))
        for product, axis in zip(("red_disc", "blue_bar", "green_square"), np.eye(3)[[0, 2, 1]], strict=True)
    ]
    return tied(index_of(index, references=rows)), unit(1.0, 0.0, 0.97)
