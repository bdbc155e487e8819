"""The shape of the house: one-way imports, one-sentence files, light imports, public names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mmad_rag

PACKAGE = Path(mmad_rag.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
ROOMS = (
    "version",
    "errors",
    "records",
    "words",
    "files",
    "images",
    "knowledge",
    "encoders",
    "index",
    "prompt",
    "retrieve",
    "models",
    "reading",
    "rag",
    "benchmark",
    "retrieval_eval",
    "report",
    "serve",
    "cli",
)
"""In the order the data flows; a room imports from the rooms before it."""

ARM_FILES = {"arms.py", "arm_retrievers.py"}
"""The files of the benchmark that put arms together."""

HEAVY = {
    "torch",
    "torchvision",
    "open_clip",
    "sentence_transformers",
    "transformers",
    "timm",
    "llama_index",
    "faiss",
    "openai",
    "bm25s",
    "scipy",
    "pandas",
    "plotly",
    "matplotlib",
    "PIL",
    "yaml",
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Full names of the modules that a file imports; with `top_level`, only those that importing it loads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes: Iterator[ast.AST] = iter(tree.body) if top_level else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_flow_one_way(path: Path) -> None:
    """A file imports only from its own room and from rooms before it."""
    room = room_of(path)
    if room == "__init__":
        return
    for module in imports_of(path):
        if module.startswith("mmad_rag."):
            other = module.split(".")[1]
            assert ROOMS.index(other) <= ROOMS.index(room), f"{path.name} ({room}) imports {module}"


def test_the_benchmark_cannot_tell_which_arm_it_measures() -> None:
    """Only the arms know of encoders, the index, retrieval and the wrapper."""
    for path in FILES:
        if room_of(path) == "benchmark" and path.name not in ARM_FILES:
            for module in imports_of(path):
                assert not re.match(r"mmad_rag\.(encoders|index|retrieve|rag)\b", module), f"{path}: {module}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_first_line_of_a_file_is_one_sentence(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{path} says nothing of itself"
    first = docstring.splitlines()[0]
    assert first.endswith((".", ":")), f"{path}: {first!r} is not a sentence on one line"


def test_no_file_is_too_long() -> None:
    long = {str(path): len(path.read_text().splitlines()) for path in FILES}
    assert {path: lines for path, lines in long.items() if lines > 300} == {}


def test_importing_the_library_loads_nothing_heavy() -> None:
    code = "import sys, mmad_rag; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert HEAVY & set(loaded) == set()


def test_the_command_line_starts_without_anything_heavy() -> None:
    code = "import sys, mmad_rag.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert (HEAVY - {"yaml"}) & set(loaded) == set()


def test_the_public_names() -> None:
    assert mmad_rag.__all__ == ["ClipRetriever", "KnowledgeIndex", "RagWrapper", "__version__"]
    assert all(hasattr(mmad_rag, name) for name in mmad_rag.__all__)


def test_every_room_exports_what_it_lists() -> None:
    for path in FILES:
        if path.name == "__init__.py":
            module = __import__(".".join(path.relative_to(PACKAGE.parent).parent.parts), fromlist=["x"])
            for name in getattr(module, "__all__", ()):
                assert hasattr(module, name), f"{module.__name__} lists {name}"


def test_the_version_stands_in_one_place() -> None:
    assert mmad_rag.__version__ in (PACKAGE / "version.py").read_text()
    pyproject = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    assert pyproject["project"]["dynamic"] == ["version"]
    assert f"## [{mmad_rag.__version__}]" in (PACKAGE.parent / "CHANGELOG.md").read_text()


def test_nothing_unsafe_is_called() -> None:
    """No pickle, eval or exec; YAML only through the safe loader."""
    forbidden = {"eval", "exec", "pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in forbidden, f"{path} calls {node.func.id}"
        assert not forbidden & {module.partition(".")[0] for module in imports_of(path)}, str(path)
