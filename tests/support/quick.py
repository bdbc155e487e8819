"""Leave out of `pytest --quick` what turns out to need a heavy package or a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any, NoReturn

import pytest

HEAVY = frozenset(
    {
        *("torch", "torchvision", "open_clip", "timm", "transformers", "sentence_transformers"),
        *("llama_index", "qdrant_client", "matplotlib", "nbclient", "nbformat"),
        *("sklearn", "statsmodels", "pandas"),
    }
)
"""Packages that take seconds to import."""


class _HeavyImports(MetaPathFinder):
    """Skips what imports such a package: a test, or a file of tests that does so at its top."""

    def find_spec(self, name: str, *_: object) -> None:
        if name in HEAVY and name not in sys.modules:
            _skip(f"needs {name}")


def _skip(reason: str) -> NoReturn:
    pytest.skip(f"not in a quick run: {reason}", allow_module_level=True)


def leave_out_what_is_heavy() -> None:
    """From now on, until this process ends."""
    start = subprocess.Popen.__init__

    def no_python(self: subprocess.Popen[Any], words: Sequence[str], *others: Any, **options: Any) -> None:  # noqa: ANN401
        if Path(words[0]).name.startswith("python"):
            _skip("starts a process")
        start(self, words, *others, **options)

    sys.meta_path.insert(0, _HeavyImports())
    subprocess.Popen.__init__ = no_python  # type: ignore[method-assign,assignment]
