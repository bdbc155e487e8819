"""The fixtures that these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmad_rag.models.options import ModelOptions
from mmad_rag.models.transformers.model import TransformersModel
from tests.support.tiny_vlms import FAMILIES


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One checkpoint of each family."""
    root = tmp_path_factory.mktemp("checkpoints")
    return {name: make(root / name) for name, make in FAMILIES.items()}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, TransformersModel]:
    """Each loaded once for all tests of a file."""
    options = ModelOptions(max_tokens=5, logprobs=20)
    return {name: TransformersModel(f"@{folder}", options) for name, folder in folders.items()}


@pytest.fixture(params=FAMILIES)
def model(request: pytest.FixtureRequest, models: dict[str, TransformersModel]) -> TransformersModel:
    """One after the other."""
    return models[request.param]
