"""The fixtures that these tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bench import make_benchmark


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")
