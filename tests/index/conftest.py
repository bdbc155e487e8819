"""The fixtures that these tests share."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mmad_rag.index import KnowledgeIndex
from tests.support.world import COLOURS, png


@pytest.fixture(scope="module")
def scattered(index: KnowledgeIndex) -> KnowledgeIndex:
    """The tiny world's records with vectors in every direction, so that no two rows are equally near."""
    from tests.index.stores.vector_stores import SPHERE, units  # it imports LlamaIndex, which few tests need

    return dataclasses.replace(
        index,
        key_vectors=units(len(index.keys), SPHERE, 1),
        reference_vectors=units(len(index.references), SPHERE, 2),
        passage_vectors=units(len(index.passages), SPHERE, 3),
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Eight images; the last has the bytes of the first under another name."""
    folder = tmp_path_factory.mktemp("pictures")
    shades = (0, 1, 2, 3, 4, 5, 6, 0)
    paths = tuple(folder / f"{name}.png" for name in "hcagbfde")
    for path, shade in zip(paths, shades, strict=True):
        path.write_bytes(png(tuple(COLOURS.values())[shade % 3], shade=shade))
    return paths
