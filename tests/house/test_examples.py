"""The walk-throughs in examples/ run as they are written, block after block, in an empty folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.warm import Warm

EXAMPLES = ROOT / "examples"
BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a walk-through."""

    language: str
    title: str
    """The file that it is the contents of; empty for a block that is run."""
    text: str


def blocks(name: str) -> list[Block]:
    return [Block(*found) for found in BLOCK.findall((EXAMPLES / name).read_text(encoding="utf-8"))]


def play(warm: Warm, block: Block, folder: Path) -> str:
    """Write the block to its file, or run it; what it printed."""
    if block.title:
        path = folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
        return ""
    if block.language == "sh":
        done = warm.shell(block.text, folder=folder)
    else:
        assert block.language == "python"
        done = warm.run("python", "-c", block.text, folder=folder)
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_the_walk_through_of_a_new_product_writes_a_file_that_lints_clean(tmp_path: Path, warm: Warm) -> None:
    """All but the last section, which needs the shipped encoder."""
    told = [play(warm, block, tmp_path) for block in blocks("new_product.md")[:-1]]
    assert "6 reference images listed, 6 of them copied" in told[1]
    assert "11 problem(s) to mend" in told[2]
    assert "not yet" in told[2]
    assert "1 product file(s), nothing to mend" in told[4]
    assert "blue_washer/broken_edge/location/1" in told[4]


@pytest.mark.slow
def test_the_walk_through_of_a_new_product_ends_with_a_retrieved_passage(tmp_path: Path, warm: Warm) -> None:
    told = [play(warm, block, tmp_path) for block in blocks("new_product.md")]
    assert "1 products" in told[-1]
    assert "6 reference images, by builtin:tiny" in told[-1]
    assert "product: blue_washer" in told[-1]
    assert "blue_washer/broken_edge/location/1" in told[-1]


def test_every_block_is_of_a_kind_that_is_run() -> None:
    for path in EXAMPLES.glob("*.md"):
        found = blocks(path.name)
        assert len(found) == path.read_text(encoding="utf-8").count("\n```") / 2, path
        assert all(block.title or block.language in ("sh", "python") for block in found), path
