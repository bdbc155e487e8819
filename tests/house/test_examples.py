"""The walk-throughs in examples/ run as they are written, block after block, in an empty folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
COMMANDS = Path(sys.executable).parent
TINY = ROOT / "mmad_rag" / "encoders" / "tiny" / "weights.safetensors"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)

needs_tiny = pytest.mark.skipif(not TINY.is_file(), reason=f"the shipped encoder is not at {TINY}")


@dataclass(frozen=True)
class Block:
    """A fenced block of a walk-through."""

    language: str
    title: str
    """The file that it is the contents of; empty for a block that is run."""
    text: str


def blocks(name: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall((EXAMPLES / name).read_text(encoding="utf-8"))]


def play(block: Block, folder: Path) -> str:
    """Write the block to its file, or run it; what it printed."""
    if block.title:
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return ""
    commands = {
        "python": [sys.executable, "-c", block.text],
        "sh": ["sh", "-e", "-c", block.text],
    }
    environment = os.environ | {"PATH": f"{COMMANDS}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    done = subprocess.run(
        commands[block.language],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_the_walk_through_of_a_new_product_writes_a_file_that_lints_clean(tmp_path: Path) -> None:
    """All but the last section, which needs the shipped encoder."""
    told = [play(block, tmp_path) for block in blocks("new_product.md")[:-1]]
    assert "6 reference images listed, 6 of them copied" in told[1]
    assert "11 problem(s) to mend" in told[2]
    assert "not yet" in told[2]
    assert "1 product file(s), nothing to mend" in told[4]
    assert "blue_washer/broken_edge/location/1" in told[4]


@needs_tiny
@pytest.mark.slow
def test_the_walk_through_of_a_new_product_ends_with_a_retrieved_passage(tmp_path: Path) -> None:
    told = [play(block, tmp_path) for block in blocks("new_product.md")]
    assert "1 products" in told[-1]
    assert "6 reference images, by builtin:tiny" in told[-1]
    assert "product: blue_washer" in told[-1]
    assert "blue_washer/broken_edge/location/1" in told[-1]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    for path in EXAMPLES.glob("*.md"):
        found = blocks(path.name)
        assert len(found) == path.read_text(encoding="utf-8").count("\n```") / 2, path
        assert all(block.title or block.language in ("sh", "python") for block in found), path
