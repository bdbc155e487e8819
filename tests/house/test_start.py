"""A process imports what it runs: help imports no command, and a command nothing that it does not use."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from collections.abc import Mapping

import pytest
from typer.main import get_command

from mmad_rag.cli import app as command_line
from mmad_rag.cli.lazy_commands import Entry, LazyCommand
from tests.house.test_architecture import HEAVY

TABLES: Mapping[str, Mapping[str, Entry]] = {
    "": command_line.COMMANDS,
    "knowledge": command_line.KNOWLEDGE_COMMANDS,
    "index": command_line.INDEX_COMMANDS,
    "data": command_line.DATA_COMMANDS,
}
ENTRIES = [(group, name, entry) for group, table in TABLES.items() for name, entry in table.items()]


def modules_after(code: str) -> set[str]:
    """The modules of a process that has run the code."""
    ends = "import sys; print('LOADED', *sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ends}"], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.rpartition("LOADED ")[2].split())


def packages(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


@pytest.mark.parametrize("words", ["--help", "knowledge --help", "index --help", "data --help", "--version"])
def test_help_imports_no_command_and_nothing_heavy(words: str) -> None:
    code = (
        "import sys\n"
        "from mmad_rag.cli import main\n"
        f"sys.argv = ['mmad-rag', *{words.split()}]\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
    )
    loaded = modules_after(code)
    # typer itself, by its version, reads what follows the name of a group with pydantic
    ours = HEAVY if words.startswith("--") else HEAVY - {"pydantic"}
    assert packages(loaded) & ours == set()
    assert {name for name in loaded if name.startswith("mmad_rag")} == {
        "mmad_rag",
        "mmad_rag.cli",
        "mmad_rag.cli.app",
        "mmad_rag.cli.console",
        "mmad_rag.cli.lazy_commands",
        "mmad_rag.errors",
        "mmad_rag.lazy",
        "mmad_rag.version",
    }


def test_the_help_of_a_command_imports_no_other_room_than_it_names() -> None:
    """`serve --help` looks at the options of `serve`: no benchmark, no report, no model."""
    loaded = modules_after(
        "import sys\n"
        "from mmad_rag.cli import main\n"
        "sys.argv = ['mmad-rag', 'serve', '--help']\n"
        "try: main()\n"
        "except SystemExit as stop: assert not stop.code\n"
    )
    rooms = {name.split(".")[1] for name in loaded if name.startswith("mmad_rag.")}
    assert not rooms & {"benchmark", "models", "report", "retrieval_eval", "rag"}
    assert not packages(loaded) & {"torch", "open_clip", "faiss", "sklearn", "openai", "PIL"}


@pytest.mark.parametrize(("group", "name", "entry"), ENTRIES, ids=[f"{g} {n}".strip() for g, n, _ in ENTRIES])
def test_a_listed_command_exists_and_says_what_the_list_says(group: str, name: str, entry: Entry) -> None:
    module, _, function = entry.function.partition(":")
    command = getattr(importlib.import_module(f"mmad_rag.cli.commands.{module}"), function)
    said = inspect.cleandoc(command.__doc__).split("\n\n")[0]
    assert " ".join(said.split()) == entry.help
    commands = get_command(command_line.app).commands  # type: ignore[attr-defined]  # it is a group
    listed = (commands[group].commands if group else commands)[name]
    assert isinstance(listed, LazyCommand)
    assert listed.load().name == name
    assert listed.load().get_short_help_str(1000).split() == listed.get_short_help_str(1000).split()
