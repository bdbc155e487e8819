"""Compare a text with a file under tests/golden; MMAD_RAG_WRITE_GOLDEN=1 writes the file anew."""

from __future__ import annotations

import os

from tests.support.paths import ROOT

GOLDEN = ROOT / "tests" / "golden"


def check_golden(name: str, text: str) -> None:
    """The text equals the golden file."""
    path = GOLDEN / name
    if os.environ.get("MMAD_RAG_WRITE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"{name} has changed; see tests/support/golden_file.py"
