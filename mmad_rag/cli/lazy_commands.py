"""Commands that are imported when they are called, and listed without that."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
}
"""What every `typer.Typer` of the command line is made with."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is, and what a list of commands says about it."""

    function: str
    """`module:function`, the module within `mmad_rag.cli.commands`."""
    help: str
    """The first paragraph of the function's docstring; a test holds that they agree."""


class LazyCommand(TyperCommand):
    """Stands in a list of commands for one that is imported when it is called."""

    def __init__(self, name: str, entry: Entry) -> None:
        super().__init__(name, help=entry.help, rich_markup_mode=None)
        self._entry = entry

    def load(self) -> Any:  # noqa: ANN401 - a command of click's or of typer's own copy, by its version
        """The command itself, with its options."""
        module, _, function = self._entry.function.partition(":")
        single = typer.Typer(**SETTINGS)
        single.command(self.name)(
            getattr(importlib.import_module(f"mmad_rag.cli.commands.{module}"), function)
        )
        return get_command(single)

    def make_context(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - as above
        """Parse a command line by the command itself, which then runs it."""
        return self.load().make_context(*args, **extra)


def lazy_commands(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """The commands of a group, none of them imported."""
    return {name: LazyCommand(name, entry) for name, entry in entries.items()}


def lazy_group(name: str, help_line: str, entries: Mapping[str, Entry]) -> TyperGroup:
    """A group of commands, none of them imported."""
    return TyperGroup(
        name=name,
        help=help_line,
        commands=lazy_commands(entries),
        no_args_is_help=True,
        rich_markup_mode=None,
    )
