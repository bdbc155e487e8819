"""Write results to standard output, and everything else to standard error."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from mmad_rag.report.tables.table import Table

_WIDEST = 400
"""Columns."""


def out() -> Console:
    """Standard output, for results."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def err() -> Console:
    """Standard error, for progress, notes and errors."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def print_what_can_be_printed() -> None:
    """Replace characters that the console or the file behind an output cannot hold, instead of failing.

    Consoles of older systems know one code page, and outputs of a pipe take that of the locale.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(OSError):  # an output that was exchanged for a pipe cannot be changed
                stream.reconfigure(errors="replace")


def note(text: str) -> None:
    """One line on standard error."""
    err().print(text, markup=False)


def print_table(table: Table) -> None:
    """A table on standard output, as wide as it needs to be: headings that are cut short say nothing."""
    from mmad_rag.report.terminal import terminal_table

    console, drawn = out(), terminal_table(table)
    wide = console.options.update(max_width=_WIDEST)
    console.width = max(console.width, console.measure(drawn, options=wide).maximum, len(table.title))
    console.print(drawn)


def print_json(value: object) -> None:
    """One JSON document on standard output; records become objects, images and bytes never appear.

    Where the output cannot hold a character, all that is not ASCII is escaped, as JSON allows.
    """
    text = json.dumps(plain(value), ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        text = json.dumps(plain(value), indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")


def plain(value: object) -> Any:  # noqa: ANN401 - JSON is dynamic by nature
    """Records, enums, paths and containers as JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if dump := getattr(value, "model_dump", None):
        return dump(mode="json")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


class Advance(Protocol):
    """Moves the bar of a stage."""

    def __call__(self, stage: str, done: int, total: int, detail: str = "") -> None:
        """Show `done` of `total`; `detail` stands beside the stage's name and may change."""


@contextmanager
def progress_bar() -> Iterator[Advance]:
    """A progress bar per stage on standard error."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Progress(*columns, console=err()) as bars:
        tasks: dict[str, TaskID] = {}

        def advance(stage: str, done: int, total: int, detail: str = "") -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total, description=f"{stage}{detail}")

        yield advance
