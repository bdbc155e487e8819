"""A table that displays itself in a terminal, in a notebook, and as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING

from mmad_rag.report.tables.table import Table, text_rows
from mmad_rag.report.terminal import terminal_table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

_WIDEST = 400
"""Largest width of the text, in characters."""


@dataclass(frozen=True, slots=True)
class ShownTable:
    """A table that `print` writes as text, rich draws, and a notebook lays out."""

    table: Table
    """Title, columns and rows, which each of the three displays lays out in its own way."""

    def __rich__(self) -> RichTable:
        return terminal_table(self.table)

    def __str__(self) -> str:
        from rich.console import Console

        written = StringIO()
        Console(file=written, width=_WIDEST, color_system=None, force_jupyter=False).print(self.__rich__())
        return "\n".join(line.rstrip() for line in written.getvalue().splitlines())

    def _repr_html_(self) -> str:
        heads = [column.short or column.heading for column in self.table.columns]
        body = "".join(_row("td", row) for row in text_rows(self.table))
        return f"<p><b>{escape(self.table.title)}</b></p><table>{_row('th', heads)}{body}</table>"


def _row(kind: str, cells: Iterable[str]) -> str:
    """One row; the first column is text, the others are numbers."""
    aligned = (
        f'<{kind} style="text-align:{"right" if place else "left"}">{escape(cell)}</{kind}>'
        for place, cell in enumerate(cells)
    )
    return f"<tr>{''.join(aligned)}</tr>"
