"""Draw tables for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.report.tables.table import Table, text_rows

if TYPE_CHECKING:
    from rich.table import Table as RichTable


def terminal_table(table: Table) -> RichTable:
    """A table without lines; nothing in it is read as rich's markup."""
    from rich.markup import escape
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(
        title=Text(table.title, "table.title", no_wrap=True, overflow="ignore") if table.title else None,
        title_justify="left",
        box=None,
        pad_edge=False,
        collapse_padding=True,
        header_style="bold",
    )
    for column in table.columns:
        drawn.add_column(
            escape(column.short or column.heading),
            justify="right" if column.number else "left",
            no_wrap=not column.wraps,
        )
    for row in text_rows(table):
        drawn.add_row(*map(escape, row))
    return drawn
