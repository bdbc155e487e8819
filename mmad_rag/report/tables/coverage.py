"""How much a knowledge base says of each product, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table

from mmad_rag.fields import FIELDS, Field
from mmad_rag.knowledge import ProductFile, passages_of
from mmad_rag.knowledge.lint import uncovered_folders, word_count


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """What one product file holds."""

    product: str
    status: str
    words: int
    """Of all passages."""
    keys: int
    """Visual name, aliases and descriptions."""
    defects: int
    uncovered_folders: tuple[str, ...]
    """MMAD's defect folders without a defect."""
    passages: dict[str, int]
    """Field -> passages."""


def coverage_rows(files: Sequence[ProductFile]) -> tuple[CoverageRow, ...]:
    """One row per file."""
    return tuple(_row(file) for file in files)


def coverage_table(files: Sequence[ProductFile]) -> Table:
    """Products down, fields across, passages in the cells."""
    table = Table(
        title=f"{len(files)} product{'' if len(files) == 1 else 's'}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("product", no_wrap=True)
    headings = ("words", "keys", "defects", *(FIELDS[field].heading for field in _FIELDS))
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_column("folders", no_wrap=True)
    table.add_column("status")
    for row in coverage_rows(files):
        counts = (row.passages.get(field.value, 0) for field in _FIELDS)
        numbers = (row.words, row.keys, row.defects, *counts)
        folders = f"missing: {', '.join(row.uncovered_folders)}" if row.uncovered_folders else "covered"
        table.add_row(
            row.product, *(str(number) if number else "-" for number in numbers), folders, row.status
        )
    return table


_FIELDS = tuple(field for field in Field if FIELDS[field].heading)


def _row(file: ProductFile) -> CoverageRow:
    product = file.product
    return CoverageRow(
        product=product.product,
        status=product.provenance.status.value,
        words=word_count(product),
        keys=1 + len(product.visual.aliases) + len(product.visual.descriptions),
        defects=len(product.defects),
        uncovered_folders=uncovered_folders(product),
        passages=dict(Counter(passage.field.value for passage in passages_of(product))),
    )
