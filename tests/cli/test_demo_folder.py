"""The demo replaces an earlier demo, and nothing that is anybody else's."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.run.store import clear_run
from mmad_rag.benchmark.sample import render_sample
from mmad_rag.cli.commands.demo import demo_folders
from mmad_rag.errors import DataError
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.sample_world import files_of

KNOWLEDGE = ROOT / "knowledge"
PRODUCTS = ("bottle", "capsule")


@pytest.fixture
def cli(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Cli:
    """The command line with a demo of two products, in seconds."""
    knowledge = tmp_path_factory.mktemp("knowledge")
    for name in PRODUCTS:
        shutil.copy(KNOWLEDGE / f"{name}.yaml", knowledge)

    def small(out: Path, **options: Any) -> object:  # noqa: ANN401
        return render_sample(out, products=PRODUCTS, per_defect=1, templates=1, unknown=0, size=48, **options)

    monkeypatch.setattr("mmad_rag.benchmark.sample.render_sample", small)
    monkeypatch.setattr("mmad_rag.knowledge.shipped.shipped_knowledge", lambda: knowledge)
    return Cli(capsys, monkeypatch)


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_a_demo_is_replaced_by_the_next_and_files_beside_its_run_stay(cli: Cli, tmp_path: Path) -> None:
    first = cli("demo", "--out", tmp_path / "demo")
    assert first.code == 0, first.err
    outcomes = tmp_path / "demo" / "run" / "outcomes.jsonl"
    rows = lines_of(outcomes)
    (tmp_path / "demo" / "run" / "notes.txt").write_text("mine")
    with outcomes.open("a") as file:
        file.write('{"torn')
    second = cli("demo", "--out", tmp_path / "demo")
    assert second.code == 0, second.err
    assert second.out == first.out
    assert "were there already" not in second.err
    assert lines_of(outcomes) == rows
    assert (tmp_path / "demo" / "run" / "notes.txt").read_text() == "mine"


def test_a_demo_that_was_moved_is_still_a_demo(cli: Cli, tmp_path: Path) -> None:
    """Its run names the old place of the sample, but was asked about the sample that lies there."""
    assert cli("demo", "--out", tmp_path / "a").code == 0
    (tmp_path / "a").rename(tmp_path / "b")
    assert cli("demo", "--out", tmp_path / "b").code == 0


def test_the_users_own_run_is_never_touched(cli: Cli, tmp_path: Path) -> None:
    """A run of other data, of another model, or one that nobody can read."""
    home = tmp_path / "home"
    render_sample(tmp_path / "data", products=("pill",), per_defect=1, templates=1, unknown=0, size=48)
    words = ("eval", "--model", "builtin:first", "--arms", "none", "--out", home / "run")
    assert cli(*words, "--data", tmp_path / "data").code == 0
    before = files_of(home)
    ran = cli("demo", "--out", home)
    assert ran.code == 1
    assert f"{home / 'run'} holds a run of other data ({tmp_path / 'data'}); it is left as it is" in ran.err
    assert files_of(home) == before
    (home / "run" / "run.json").write_text("{}")
    assert "holds a run that cannot be read" in cli("demo", "--out", home).err
    (home / "run" / "run.json").unlink()
    assert "holds outcomes without a run.json" in cli("demo", "--out", home).err
    (home / "run" / "outcomes.jsonl").unlink()
    assert "holds something that is not a run" in cli("demo", "--out", home).err
    assert (home / "run" / "questions.jsonl").is_file()


def test_a_run_of_the_demos_sample_by_the_users_model_is_kept(cli: Cli, tmp_path: Path) -> None:
    render_sample(tmp_path / "sample", products=PRODUCTS, per_defect=1, templates=1, unknown=0, size=48)
    words = ("eval", "--data", tmp_path / "sample", "--model", "builtin:first", "--arms", "none")
    assert cli(*words, "--out", tmp_path / "run").code == 0
    ran = cli("demo", "--out", tmp_path)
    assert ran.code == 1
    assert "holds a run of another model (builtin:first" in ran.err


@pytest.mark.parametrize(
    ("manifest", "refused"),
    [
        ({"encoder": {"spec": "builtin:tiny"}, "knowledge": {"bottle": "0"}}, False),
        ({"encoder": {"spec": "builtin:tiny"}, "knowledge": {"gear": "0"}}, True),
        ({"encoder": {"spec": "open_clip:x"}, "knowledge": {"bottle": "0"}}, True),
        ({"encoder": {}}, True),
        ([], True),
    ],
)
def test_only_an_index_like_the_demos_may_be_replaced(
    tmp_path: Path, manifest: object, refused: bool
) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "manifest.json").write_text(json.dumps(manifest))
    if refused:
        with pytest.raises(DataError, match="index holds an index that is not an earlier demo's; it is left"):
            demo_folders(tmp_path, {"bottle", "pill"})
    else:
        assert demo_folders(tmp_path, {"bottle", "pill"}).index == tmp_path / "index"


def test_a_demo_that_was_stopped_before_its_run_began_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    demo_folders(tmp_path, set())
    (tmp_path / "run" / "outcomes.jsonl").write_bytes(b"")
    (tmp_path / "run" / "questions.jsonl").write_bytes(b"")
    assert demo_folders(tmp_path, set()).run == tmp_path / "run"


@pytest.mark.parametrize("place", ["file", "file/deeper"])
def test_a_place_that_cannot_be_written_gets_one_message(cli: Cli, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("mine")
    for words in (("demo", "--out", tmp_path / place), ("data", "sample", tmp_path / place)):
        ran = cli(*words)
        assert ran.code == 1
        assert ran.err.count("error: ") == 1
        assert "folder" in ran.err
    assert (tmp_path / "file").read_text() == "mine"


def test_a_run_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(DataError, match=r"cannot be used \(Not a directory\); give another --out"):
        demo_folders(tmp_path, set())


def test_clearing_takes_a_run_out_and_nothing_else(tmp_path: Path) -> None:
    for name in (
        "outcomes.jsonl",
        "outcomes.torn-1",
        "questions.jsonl",
        ".run.json.draft",
        "run.json",
        "notes.txt",
    ):
        (tmp_path / name).write_text("x")
    clear_run(tmp_path)
    assert files_of(tmp_path) == {"outcomes.jsonl": b"", "notes.txt": b"x"}
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("x")
    with pytest.raises(DataError, match="is not a run folder, it holds thesis"):
        clear_run(tmp_path / "foreign")


def test_a_run_that_cannot_be_cleared_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "outcomes.jsonl").write_text("x")
    (tmp_path / "run.json").mkdir()
    with pytest.raises(DataError, match="cannot be cleared"):
        clear_run(tmp_path)
