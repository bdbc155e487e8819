"""docs/CLI.md: the help of every command, as the command itself prints it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from mmad_rag.cli.app import app
from mmad_rag.cli.lazy_commands import LazyCommand

WIDTH = 100
HEAD = """\
# The command line

Written by `make docs` from `mmad-rag COMMAND --help`; change the commands. Exit codes: 0 done, 1 the user
must act (one message on standard error), 2 wrong usage, 130 interrupted.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_sections("mmad-rag", get_command(app))])


def _sections(name: str, command: Any) -> Iterator[str]:  # noqa: ANN401 - of click or of typer, by its version
    """A command, then the commands below it."""
    if isinstance(command, LazyCommand):
        command = command.load()
    context = command.context_class(
        command, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH, **command.context_settings
    )
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    yield f"## {name}\n\n```text\n" + "\n".join(lines).strip() + "\n```\n"
    for word, below in getattr(command, "commands", {}).items():
        yield from _sections(f"{name} {word}", below)
