"""Replies are read again without asking, and two runs are compared only where they may be."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.analysis.summary import summarise_two
from mmad_rag.benchmark.analysis.two_runs import put_together
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import Run
from mmad_rag.benchmark.run.rescore import rescore
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.errors import DataError
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.reading.parse import PARSER_VERSION
from mmad_rag.records import Usage
from tests.support.bench import arm_of, make_benchmark, scripted
from tests.support.running import Cli


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


def go(data: Path, out: Path, model: ScriptedModel, *names: str, **settings: Any) -> Path:  # noqa: ANN401
    benchmark = load_questions(data)
    arms = [arm_of(model, name) for name in names or ("none",)]
    asyncio.run(run_arms(benchmark, arms, out=out, settings=RunSettings(**settings)))
    return out


def age(folder: Path) -> None:
    """Make the run one of an older parser that read nothing in half of the replies."""
    header = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(header | {"parser_version": 1}))
    lines = (folder / "outcomes.jsonl").read_text().splitlines()
    for number in range(0, len(lines), 2):
        lines[number] = json.dumps(json.loads(lines[number]) | {"letter": None, "outcome": "invalid"})
    (folder / "outcomes.jsonl").write_text("\n".join(lines) + "\n")


def test_reading_again_mends_what_an_older_parser_missed(data: Path, tmp_path: Path) -> None:
    folder = go(data, tmp_path / "out", scripted("Answer: B"), circular=4)
    fresh = read_run(folder)
    age(folder)
    aged = (folder / "outcomes.jsonl").read_bytes()
    told = rescore(folder, write=False)
    assert (told.parser_before, told.parser_after, told.written) == (1, PARSER_VERSION, False)
    assert (folder / "outcomes.jsonl").read_bytes() == aged
    found = rescore(folder)
    assert found == dataclasses.replace(told, written=True)
    assert {change.before for change in found.changed} == {None}
    assert any(change.rotation for change in found.changed)
    assert (folder / "outcomes.jsonl").read_bytes().startswith(aged)  # history is kept
    again = read_run(folder)
    assert (again.rows, again.rotated, again.header) == (fresh.rows, fresh.rotated, fresh.header)
    assert rescore(folder).changed == ()


def test_a_run_of_another_parser_goes_on_after_it_was_read_again(data: Path, tmp_path: Path) -> None:
    folder = go(data, tmp_path / "out", scripted("Answer: B"))
    age(folder)
    with pytest.raises(DataError, match=f"`mmad-rag rescore {folder}` reads its replies again"):
        go(data, folder, scripted("Answer: B"))
    rescore(folder)
    asked = scripted("Answer: B")
    go(data, folder, asked)
    assert asked.prompts == []


def test_replies_read_again_are_not_paid_for_twice(data: Path, tmp_path: Path) -> None:
    from mmad_rag.benchmark.run.store import RunStore
    from tests.benchmark.run.test_budget import Costly

    folder = go(data, tmp_path / "out", Costly())  # type: ignore[arg-type]
    age(folder)
    rescore(folder)
    run = read_run(folder)
    with RunStore(folder, run.header, run.questions) as store:
        assert store.spent.usage == Usage(36 * 100, 36 * 10)


def test_the_command_says_what_changed(cli: Cli, data: Path, tmp_path: Path) -> None:
    folder = go(data, tmp_path / "out", scripted("Answer: B"), circular=4)
    age(folder)
    dry = cli("rescore", folder, "--dry-run")
    assert dry.code == 0
    assert "no choice -> B" in dry.out
    assert ", rotation 1: no choice" in dry.out
    assert "nothing was written" in dry.err
    told = json.loads(cli("rescore", folder, "--json").out)
    assert (told["parser_before"], told["written"], len(told["changed"])) == (1, True, dry.out.count("->"))
    assert "0 of" in cli("rescore", folder).err


# --- two runs


def test_the_same_arm_of_two_runs_is_compared(cli: Cli, data: Path, tmp_path: Path) -> None:
    first = go(data, tmp_path / "first", scripted("A", "one"), "none", "rag")
    second = go(data, tmp_path / "second", scripted("B", "two"), "rag", "oracle")
    found = summarise_two(read_run(first), read_run(second))
    assert [arm for arm, _ in found.summary.tables] == [
        "first:none", "first:rag", "second:rag", "second:oracle"
    ]  # fmt: skip
    assert [(c.baseline.arm, c.arm.arm) for c in found.summary.comparisons] == [("first:rag", "second:rag")]
    assert found.differences == ("rag: model differs",)
    shown = cli("compare", first, second)
    assert shown.code == 0, shown.err
    assert "second:rag - first:rag" in shown.out
    assert "rag: model differs" in shown.err
    assert json.loads(cli("compare", first, second, "--json").out)["differences"] == ["rag: model differs"]
    refused = cli("compare", first, second, "--decompose")
    assert (refused.code, "leave the second run out" in refused.err) == (1, True)


def test_a_run_is_not_compared_with_itself_nor_with_one_read_otherwise(data: Path, tmp_path: Path) -> None:
    one = go(data, tmp_path / "one", scripted("A"))
    with pytest.raises(DataError, match="are the same run"):
        put_together(read_run(one), read_run(one))
    other = go(data, tmp_path / "other", scripted("A"))
    age(other)
    with pytest.raises(DataError, match="`mmad-rag rescore` reads the replies of the older one again"):
        put_together(read_run(one), read_run(other))


def test_runs_that_share_a_name_are_told_apart_by_their_path(data: Path, tmp_path: Path) -> None:
    one = go(data, tmp_path / "a/run", scripted("A"))
    other = go(data, tmp_path / "b/run", scripted("A"))
    two = put_together(read_run(one), read_run(other))
    assert two.pairs == ((f"{one}:none", f"{other}:none"),)
    assert two.differences == ("none: nothing differs",)


def test_runs_that_were_asked_otherwise_are_refused_by_name(cli: Cli, data: Path, tmp_path: Path) -> None:
    one = go(data, tmp_path / "one", scripted("A"))
    other = go(data, tmp_path / "other", scripted("A"), shuffle_options=1, image_size=2)
    refused = cli("compare", one, other)
    assert refused.code == 1
    told = " ".join(refused.err.split())
    assert "they differ in shuffle options: None and 1; image size: None and 2" in told


def test_runs_without_a_shared_arm_are_refused(data: Path, tmp_path: Path) -> None:
    one = go(data, tmp_path / "one", scripted("A"), "none")
    other = go(data, tmp_path / "other", scripted("A"), "rag")
    with pytest.raises(DataError, match="none is in both"):
        put_together(read_run(one), read_run(other))


def test_an_arm_that_chooses_knowledge_otherwise_is_told(data: Path, tmp_path: Path) -> None:
    first = read_run(go(data, tmp_path / "one", scripted("A"), "rag"))
    arm = dataclasses.replace(first.header.arms[0], identity="rag with 100 tokens")
    second: Run = dataclasses.replace(
        first, folder=tmp_path / "two", header=dataclasses.replace(first.header, arms=(arm,))
    )
    assert put_together(first, second).differences == ("rag: how knowledge is chosen differs",)
