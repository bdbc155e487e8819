"""The fixtures that these tests share."""

from __future__ import annotations

import pytest

from mmad_rag.benchmark.sample import render_sample
from mmad_rag.index import KnowledgeIndex
from tests.support.paths import ROOT
from tests.support.sample_world import PRODUCTS, Bench


@pytest.fixture(scope="session")
def bench(tmp_path_factory: pytest.TempPathFactory, shipped: KnowledgeIndex) -> Bench:
    """Four drawn products, indexed by builtin:tiny with the shipped knowledge."""
    root = tmp_path_factory.mktemp("bench")
    render_sample(root / "data", products=PRODUCTS, per_defect=1, templates=3, unknown=1)
    index = KnowledgeIndex.build(ROOT / "knowledge", "builtin:tiny", references=root / "data", reuse=shipped)
    index.save(root / "index")
    return Bench(root / "data", root / "index")
