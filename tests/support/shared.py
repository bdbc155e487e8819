"""The real MMAD data that lies beside a checkout, and the mark of tests that need it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared"
MMAD = SHARED / "mmad"
VIT_TINY = SHARED / "models" / "vit_tiny_patch16_224.safetensors"

needs_shared = pytest.mark.skipif(not MMAD.is_dir(), reason=f"the real MMAD data is not at {MMAD}")
