"""How much a knowledge base says of each product, as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mmad_rag.fields import FIELDS, Field
from mmad_rag.knowledge import ProductFile, passages_of
from mmad_rag.knowledge.lint import uncovered_folders, words_in
from mmad_rag.report.tables.numbers import NOTHING
from mmad_rag.report.tables.table import Table, TableColumn, TableRow, corner, table_row


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """What one product file holds."""

    product: str
    status: str
    words: int
    """Words of all passages."""
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
    headings = ("words", "keys", "defects", *(FIELDS[field].heading for field in _FIELDS))
    return Table(
        f"{len(files)} product{'' if len(files) == 1 else 's'}",
        (
            corner("product"),
            *(TableColumn(heading, wraps=True) for heading in headings),
            TableColumn("folders", number=False),
            TableColumn("status", number=False, wraps=True),
        ),
        tuple(map(_table_row, coverage_rows(files))),
    )


def _table_row(row: CoverageRow) -> TableRow:
    counts = (row.passages.get(field.value, 0) for field in _FIELDS)
    numbers = (row.words, row.keys, row.defects, *counts)
    folders = f"missing: {', '.join(row.uncovered_folders)}" if row.uncovered_folders else "covered"
    shown = (str(number) if number else NOTHING for number in numbers)
    return table_row(row.product, (*shown, folders, row.status))


_FIELDS = tuple(field for field in Field if FIELDS[field].heading)


def _row(file: ProductFile) -> CoverageRow:
    product = file.product
    return CoverageRow(
        product=product.product,
        status=product.provenance.status.value,
        words=words_in(product),
        keys=1 + len(product.visual.aliases) + len(product.visual.descriptions),
        defects=len(product.defects),
        uncovered_folders=uncovered_folders(product),
        passages=dict(Counter(passage.field.value for passage in passages_of(product))),
    )
