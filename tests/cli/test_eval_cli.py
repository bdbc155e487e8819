"""`mmad-rag eval` with every arm and the options of its protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.run.arms import ARM_NAMES
from mmad_rag.index import KnowledgeIndex
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.sample_world import render_two


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, shipped: KnowledgeIndex) -> Path:
    """Two drawn products under `data`, indexed by builtin:tiny under `index`."""
    root = tmp_path_factory.mktemp("bench")
    render_two(root / "data")
    index = KnowledgeIndex.build(ROOT / "knowledge", "builtin:tiny", references=root / "data", reuse=shipped)
    index.save(root / "index")
    return root


def command(bench: Path, out: Path, *more: object) -> tuple[object, ...]:
    return (
        *("eval", "--data", bench / "data", "--index", bench / "index", "--model", "builtin:reader"),
        *("--limit", 8, "--out", out, *more),
    )


def test_every_arm_runs_under_a_recorded_protocol(cli: Cli, bench: Path, tmp_path: Path) -> None:
    asked = command(
        bench, tmp_path / "run", "--arms", ",".join(ARM_NAMES), "--shuffle-options", 7, "--image-size", 32
    )
    ran = cli(*asked, "--json")
    assert ran.code == 0, ran.err
    told = json.loads(ran.out)
    assert [arm["name"] for arm in told["header"]["arms"]] == list(ARM_NAMES)
    assert (told["header"]["shuffle_options"], told["header"]["image_size"]) == (7, 32)
    assert told["progress"] | {"kept": 0} == {"done": 72, "total": 72, "kept": 0, "failed": 0}
    assert json.loads(cli(*asked, "--json").out)["progress"]["kept"] == 72
    other = cli(*command(bench, tmp_path / "run", "--arms", ",".join(ARM_NAMES), "--image-size", 32))
    assert other.code == 1
    assert "another shuffle options: 7 there, None now" in " ".join(other.err.split())


def test_a_seed_is_part_of_the_wrong_arm(cli: Cli, bench: Path, tmp_path: Path) -> None:
    ran = cli(*command(bench, tmp_path / "run", "--arms", "wrong", "--seed", 4, "--json"))
    assert ",seed=4)/builtin:reader" in json.loads(ran.out)["header"]["arms"][0]["identity"]


def test_too_short_a_context_ends_with_one_message(cli: Cli, bench: Path, tmp_path: Path) -> None:
    ran = cli(*command(bench, tmp_path / "run", "--arms", "none,all", "--context", 100))
    assert ran.code == 1
    assert "more than the context of 100; give a longer --context" in " ".join(ran.err.split())
    assert not (tmp_path / "run").exists()


def test_arms_without_knowledge_need_no_index(cli: Cli, bench: Path, tmp_path: Path) -> None:
    ran = cli(
        *("eval", "--data", bench / "data", "--index", tmp_path / "none", "--model", "builtin:reader"),
        *("--limit", 8, "--out", tmp_path / "run", "--arms", "none,blind-none"),
    )
    assert ran.code == 0, ran.err


def test_arms_that_look_at_pictures_are_named_where_none_is_shown(
    cli: Cli, bench: Path, tmp_path: Path
) -> None:
    ran = cli(*command(bench, tmp_path / "run", "--arms", "none,rag,oracle,filler", "--no-images"))
    assert ran.code == 0, ran.err
    assert "without images no product is found: rag, filler will show no knowledge" in " ".join(
        ran.err.split()
    )
