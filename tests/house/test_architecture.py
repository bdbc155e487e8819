"""The shape of the house: one-way imports, one-sentence files, light imports, public names."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import mmad_rag

PACKAGE = Path(mmad_rag.__file__).parent
FILES = sorted(path for path in PACKAGE.rglob("*.py"))
TESTS = Path(__file__).parents[1]
MOST_LINES = 300
"""Of a file."""
MOST_FILES = 16
"""Side by side in a folder."""
LARGE_FOLDERS = {Path("benchmark/sample"), Path("benchmark/sample/facts")}
"""One file for each product that is drawn."""
ROOMS = (
    "lazy",
    "version",
    "errors",
    "fields",
    "files",
    "folders",
    "network",
    "installed",
    "records",
    "words",
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
    "evaluation",
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
    "numpy",
    "pydantic",
    "rich",
}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in its code that stands."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


def file_imports(package: Path) -> dict[str, list[str]]:
    """Name of each file of a package -> the files of it that it imports, wherever in its code that stands."""
    files = {module_of(path, package): path for path in sorted(package.rglob("*.py"))}
    return {name: sorted(set(files_named_in(path, files)) - {name}) for name, path in files.items()}


def module_of(path: Path, package: Path) -> str:
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def files_named_in(path: Path, files: Mapping[str, Path]) -> Iterator[str]:
    """`from a import b` is the file `a.b` where there is one, and else the file `a`."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in files)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module in files:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in files else node.module


def circle_in(imports: Mapping[str, Sequence[str]]) -> list[str]:
    """A shortest circle of files, the first again at its end; empty when there is none."""
    shortest: list[str] = []
    for start in imports:
        came_from: dict[str, str] = {}
        waiting = deque([start])
        while waiting and start not in came_from:
            name = waiting.popleft()
            for other in imports[name]:
                if other not in came_from:
                    came_from[other] = name
                    waiting.append(other)
        if start in came_from:
            circle = [start]
            while len(circle) == 1 or circle[-1] != start:
                circle.append(came_from[circle[-1]])
            if not shortest or len(circle) < len(shortest):
                shortest = circle[::-1]
    return shortest


def test_imports_flow_one_way() -> None:
    """A file imports only from its own room and from rooms before it."""
    upwards = [
        f"{path.relative_to(PACKAGE)} imports {module}"
        for path in FILES
        if room_of(path) != "__init__"
        for module in imports_of(path)
        if module.startswith("mmad_rag.")
        if ROOMS.index(module.split(".")[1]) > ROOMS.index(room_of(path))
    ]
    assert upwards == []


def test_no_files_import_each_other_in_a_circle() -> None:
    """Neither within a room, nor by an import inside a function or for the type checker alone."""
    circle = circle_in(file_imports(PACKAGE))
    assert circle == [], " -> ".join(circle)


def test_a_circle_is_found_wherever_its_imports_stand(tmp_path: Path) -> None:
    package = tmp_path / "p"
    (package / "room").mkdir(parents=True)
    for name, code in {
        "__init__": "from p.a import x",
        "a": "import json\nfrom p.room import b",
        "room/__init__": "",
        "room/b": "def f():\n    from p.c import y",
        "c": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.a",
        "d": "from p import a",
    }.items():
        (package / f"{name}.py").write_text(code)
    imports = file_imports(package)
    assert imports == {
        "p": ["p.a"],
        "p.a": ["p.room.b"],
        "p.c": ["p.a"],
        "p.d": ["p.a"],
        "p.room": [],
        "p.room.b": ["p.c"],
    }
    assert circle_in(imports) == ["p.a", "p.room.b", "p.c", "p.a"]
    assert circle_in({**imports, "p.c": []}) == []


def test_the_benchmark_cannot_tell_which_arm_it_measures() -> None:
    """Only the arms know of encoders, the index, retrieval and the wrapper."""
    for path in FILES:
        if room_of(path) == "benchmark" and path.name not in ARM_FILES:
            for module in imports_of(path):
                assert not re.match(r"mmad_rag\.(encoders|index|retrieve|rag)\b", module), f"{path}: {module}"


def test_the_first_line_of_a_file_is_one_sentence() -> None:
    for path in FILES:
        docstring = ast.get_docstring(tree_of(path))
        assert docstring, f"{path} says nothing of itself"
        first = docstring.splitlines()[0]
        assert first.endswith((".", ":")), f"{path}: {first!r} is not a sentence on one line"


def test_no_file_is_too_long() -> None:
    long = {str(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: lines for path, lines in long.items() if lines > MOST_LINES} == {}


def test_no_folder_holds_too_many_files() -> None:
    full = {
        str(folder.relative_to(PACKAGE.parent)): count
        for root in (PACKAGE, TESTS)
        for folder, count in Counter(path.parent for path in files_below(root)).items()
        if count > MOST_FILES and folder.relative_to(root) not in LARGE_FOLDERS
    }
    assert full == {}


def files_below(root: Path) -> Iterator[Path]:
    """All of a kind that is written by hand: neither byte code nor what a test run leaves."""
    return (
        path
        for path in root.rglob("*")
        if path.is_file()
        and not any(part.startswith((".", "__")) for part in path.relative_to(root).parts[:-1])
    )


def test_importing_the_library_loads_nothing_heavy() -> None:
    code = "import sys, mmad_rag; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert HEAVY & set(loaded) == set()


def test_the_version_stands_in_one_place() -> None:
    assert mmad_rag.__version__ in (PACKAGE / "version.py").read_text()
    pyproject = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())
    assert pyproject["project"]["dynamic"] == ["version"]
    assert f"## [{mmad_rag.__version__}]" in (PACKAGE.parent / "CHANGELOG.md").read_text()


def test_nothing_unsafe_is_called() -> None:
    """No pickle, eval or exec; YAML only through the safe loader."""
    forbidden = {"eval", "exec", "pickle", "marshal", "shelve", "dill", "cloudpickle"}
    for path in FILES:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert node.func.id not in forbidden, f"{path} calls {node.func.id}"
        assert not forbidden & {module.partition(".")[0] for module in imports_of(path)}, str(path)


FRAGMENT = re.compile(
    r"(Of|By|From|With|Without|In|For|As|To|Over|Under|At|On|Where|When|Who|Likewise|Because|Below|Above|Before"
    r"|After|Between|Beside|Among|Within)\b"
)


def test_no_docstring_is_a_fragment() -> None:
    """What stands under a field, or at the top of a file or function, begins with a noun or a verb."""
    found = [
        f"{path}:{node.lineno}: {node.value.value.strip().splitlines()[0]}"
        for path in FILES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and FRAGMENT.match(node.value.value.strip())
    ]
    assert found == []
