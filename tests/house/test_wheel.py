"""The wheel holds what an installed library needs, and nothing of the tests."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.mark.slow
def test_the_wheel_is_complete(tmp_path: Path) -> None:
    """It has the product files, the tiny encoder, the sample's facts, the type marker and the command."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(ROOT),
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.stat().st_size < 10_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = next(name for name in names if name.endswith(".dist-info/METADATA"))
        described = archive.read(metadata).decode()
        commands = archive.read(metadata.replace("METADATA", "entry_points.txt")).decode()
        archive.extractall(tmp_path / "installed")
    assert {
        "mmad_rag/py.typed",
        "mmad_rag/shipped_knowledge/bottle.yaml",
        "mmad_rag/encoders/tiny/weights.safetensors",
        "mmad_rag/encoders/tiny/merges.txt.gz",
        "mmad_rag/benchmark/sample/facts/bottle.yaml",
        "mmad_rag/report/html/page.html.jinja",
        "mmad_rag/report/html/page_parts.html.jinja",
        "mmad_rag/report/html/page.css",
    } <= names
    assert (
        sum(name.startswith("mmad_rag/shipped_knowledge/") and name.endswith(".yaml") for name in names) == 38
    )
    assert not [name for name in names if name.startswith(("tests", "scripts", "runs"))]
    assert "mmad-rag = mmad_rag.cli:main" in commands.splitlines()
    for package in (
        "llama-index-core",
        "faiss-cpu",
        "sentence-transformers",
        "open-clip-torch",
        "openai",
        "pydantic",
    ):
        assert f"Requires-Dist: {package}" in described
    code = "import mmad_rag.knowledge.shipped as s; print(s.shipped_knowledge())"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path / "installed"
    )
    assert Path(found.stdout.strip()) == tmp_path / "installed" / "mmad_rag" / "shipped_knowledge"
