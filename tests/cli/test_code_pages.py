"""Every output of the command line can be printed, whatever the console can show."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmad_rag import KnowledgeIndex
from mmad_rag.benchmark.sample import render_sample
from tests.support.paths import ROOT
from tests.support.world import png

CHINESE = "垫圈是否有裂纹？"
CONSOLES = {
    "cp1252": {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    "ascii": {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1:strict", "PYTHONUTF8": "0"},
    "cp437": {"PYTHONIOENCODING": "cp437", "PYTHONUTF8": "0"},
    "locale C": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image, an index of one product, and a sample, with Chinese names."""
    root = tmp_path_factory.mktemp("consoles") / "检测"
    root.mkdir()
    (root / "图像.png").write_bytes(png((200, 0, 0)))
    render_sample(root / "data", products=("bottle",), per_defect=1, templates=1, unknown=0)
    knowledge = root / "knowledge"
    knowledge.mkdir()
    text = (ROOT / "knowledge" / "bottle.yaml").read_text(encoding="utf-8")
    (knowledge / "bottle.yaml").write_text(text.replace("name: ", "name: 瓶子 ", 1), encoding="utf-8")
    KnowledgeIndex.build(knowledge, "builtin:tiny", text_encoder="words", references=root / "data").save(
        root / "index"
    )
    return root


def run(console: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_"))}
    return subprocess.run(
        [sys.executable, "-c", "from mmad_rag.cli import main; main()", *arguments],
        cwd=folder,
        env={**settings, "PYTHONPATH": str(ROOT), **CONSOLES[console]},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("console", CONSOLES)
def test_an_answer_in_chinese_is_printed_with_replacements(folder: Path, console: str) -> None:
    ended = run(
        console,
        folder,
        "ask",
        "图像.png",
        CHINESE,
        "--model",
        "builtin:scripted/是的，有裂纹",
        "--no-knowledge",
    )
    assert ended.returncode == 0, ended.stderr
    assert b"?" in ended.stdout
    assert b"Traceback" not in ended.stderr


@pytest.mark.parametrize("console", [name for name in CONSOLES if name != "locale C"])
def test_json_loses_nothing(folder: Path, console: str) -> None:
    """The locale C cannot hold the words of the command line either."""
    ended = run(
        console, folder,
        "ask", "图像.png", CHINESE, "--model", "builtin:scripted/有裂纹", "--no-knowledge", "--json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["question"] == CHINESE
    assert told["reply"]["text"] == "有裂纹"


@pytest.mark.parametrize(
    "arguments",
    [
        ("retrieve", "图像.png", "--index", "index", "--question", CHINESE),
        ("index", "show", "index"),
        ("knowledge", "lint", "knowledge"),
        ("knowledge", "show", "bottle", "--knowledge", "knowledge"),
        ("data", "verify", "data"),
        (
            "eval",
            "--data",
            "data",
            "--model",
            "builtin:reader",
            "--index",
            "index",
            "--out",
            "运行",
            "--limit",
            "4",
        ),
        ("--help",),
        ("eval", "--help"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
@pytest.mark.parametrize("console", ["cp1252", "ascii"])
def test_every_command_can_print(folder: Path, console: str, arguments: tuple[str, ...]) -> None:
    ended = run(console, folder, *arguments)
    assert b"Traceback" not in ended.stderr, ended.stderr.decode("latin-1")
    assert b"UnicodeEncodeError" not in ended.stderr
    assert ended.returncode in (0, 1)
    if arguments[0] in ("retrieve", "--help", "eval"):
        assert ended.returncode == 0, ended.stderr.decode("latin-1")


@pytest.mark.parametrize("console", ["cp1252", "ascii"])
def test_an_error_in_chinese_is_one_message(folder: Path, console: str) -> None:
    ended = run(
        console, folder, "ask", "没有.png", CHINESE, "--model", "builtin:scripted/A", "--no-knowledge"
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(b"error: ")
    assert b"Traceback" not in ended.stderr
