"""What the documents show works: command lines parse, links and extras exist."""

from __future__ import annotations

import re
import shlex
import tomllib

import pytest
from typer.main import get_command

from mmad_rag.cli.app import app
from tests.support.paths import ROOT

PAGES = [
    path
    for folder in (".", "docs", "knowledge", "indexes", "examples", "mmad_rag/encoders/tiny")
    for path in sorted((ROOT / folder).glob("*.md"))
]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def command_lines() -> list[tuple[str, str]]:
    """Every `mmad-rag ...` line of a block, continued lines joined, comments removed."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        code = [body for kind, body in BLOCK.findall(text) if kind in ("bash", "sh", "console")]
        code += re.findall(r"(?:^    .*\n)+", text, re.MULTILINE)
        for line in "\n".join(code).replace("\\\n", " ").splitlines():
            words = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
            if words.startswith("mmad-rag "):
                found.append((f"{page.relative_to(ROOT)}", words))
    return found


@pytest.mark.parametrize(("page", "line"), command_lines(), ids=lambda value: str(value)[:60])
def test_every_command_line_parses(page: str, line: str) -> None:
    """The command exists, its options exist, and nothing it needs is left out."""
    words = shlex.split(line.partition("||")[0], comments=True)[1:]
    command = get_command(app)
    while commands := getattr(command, "commands", None):
        name = words.pop(0)
        assert name in commands, f"{page}: mmad-rag has no command {name}"
        command = commands[name]
    command.make_context("mmad-rag", words)


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"^ *make (\w+)", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert named <= targets, page


def test_every_extra_named_in_code_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = set(project.get("optional-dependencies", {}))
    for path in (ROOT / "mmad_rag").rglob("*.py"):
        named = re.findall(r"mmad-rag\[(\w+)\]", path.read_text(encoding="utf-8"))
        assert set(named) <= extras, path
