"""Labelled images of the tiny world, and a measurement of them as text."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from mmad_rag.report.tables.routing import retrieval_tables
from mmad_rag.retrieval_eval import RetrievalResult
from tests.support.world import COLOURS, SHAPES, World, png


def write_labelled(root: Path, world: World) -> Path:
    """Two images of each product, one of them a reference of the index, and two of yellow things."""
    for product, (colour, _) in SHAPES.items():
        (root / product).mkdir()
        (root / product / "own.png").write_bytes((world.references / product / "1.png").read_bytes())
        (root / product / "new.png").write_bytes(png(COLOURS[colour], shade=50))
    (root / "unknown").mkdir()
    for shade in (1, 2):
        (root / "unknown" / f"yellow{shade}.png").write_bytes(png((200, 190, 30), shade=shade))
    return root


def shown_text(result: RetrievalResult, width: int = 80) -> str:
    """The tables as they are printed."""
    console = Console(width=width, file=io.StringIO(), record=True)
    for table in retrieval_tables(result):
        console.print(table)
    return console.export_text()
