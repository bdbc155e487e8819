"""docs/API.md and docs/CLI.md say what the code says, wherever and however wide they are written."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

import mmad_rag
from tests.house.test_start import ENTRIES
from tests.support.paths import ROOT


@pytest.mark.parametrize("columns", ["40", "250"])
def test_the_pages_are_up_to_date(columns: str) -> None:
    """`make docs` would change nothing; the width of the terminal plays no part."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": columns, "TERMINAL_WIDTH": columns}
    command = [sys.executable, str(ROOT / "scripts" / "write_docs.py"), "--check"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr


def test_every_public_name_is_described() -> None:
    """A heading for each name, and words below it."""
    sections = re.split(r"^### ", (ROOT / "docs" / "API.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    described = dict(re.findall(r"\A`(\w+)`\n(.*)\Z", section, re.DOTALL)[0] for section in sections[1:])
    assert set(mmad_rag.__all__) - {"__version__"} <= set(described)
    for name, text in described.items():
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
        assert re.search(r"[A-Za-z]{3,}", prose), f"{name} has no docstring"


def test_every_command_has_its_help() -> None:
    page = (ROOT / "docs" / "CLI.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## mmad-rag ?(.*)$", page, re.MULTILINE)
    commands = {" ".join(filter(None, (group, name))) for group, name, _ in ENTRIES}
    assert set(headings) == commands | {"", "knowledge", "index", "data"}
    assert page.count("Usage: mmad-rag") == len(headings)
    assert str(ROOT) not in page
