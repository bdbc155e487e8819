"""Scores of parts of a run: the hard subset, what was routed rightly, products, what is answered so far."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.subsets import rightly_routed
from mmad_rag.benchmark.analysis.summary import summarise
from mmad_rag.benchmark.audit.choose_hard import HARD_VERSION, HardSubset, choose_hard, hard_bytes, read_hard
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.arms import build_arms
from mmad_rag.benchmark.run.passage_log import PassageLog
from mmad_rag.benchmark.run.reader import answered_part, read_passages, read_run
from mmad_rag.benchmark.run.records import RunHeader
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.errors import DataError
from mmad_rag.fields import Field
from mmad_rag.index import KnowledgeIndex
from mmad_rag.knowledge import load_knowledge
from mmad_rag.models.builtin.reader import ReaderModel
from mmad_rag.records import Outcome, Passage, RouteOutcome
from mmad_rag.report.tables.verdicts import subset_lines
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.sample_world import render_two

ARMS = ("none", "rag", "filler")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, shipped: KnowledgeIndex) -> Path:
    """A run of three arms with the reader over two drawn products, and its hard subset."""
    root = tmp_path_factory.mktemp("finished")
    render_two(root / "data")
    index = KnowledgeIndex.build(ROOT / "knowledge", "builtin:tiny", references=root / "data", reuse=shipped)
    benchmark = load_questions(root / "data")
    hard = choose_hard(benchmark, load_knowledge(ROOT / "knowledge"))
    arms = build_arms(ARMS, ReaderModel(), index)
    asyncio.run(run_arms(benchmark, arms, out=root / "run", hard=hard))
    return root


def test_the_hard_subset_is_kept_with_the_run_and_scored_apart(finished: Path, cli: Cli) -> None:
    run = read_run(finished / "run")
    assert run.hard is not None
    assert 0 < len(run.hard.questions) < len(run.questions)
    summary = summarise(run)
    assert summary.hard is not None
    assert summary.hard.questions == len(run.hard.questions)
    part = run.only(run.hard.questions)
    for arm, table in summary.hard.tables:
        assert table == score_run(part.rows, part.questions, Rule.FIXED, arm)
    told = json.loads(cli("score", finished / "run", "--hard", "--json").out)
    assert told["rag"]["questions"] == len(run.hard.questions)
    assert "on the hard subset" in cli("compare", finished / "run").out


def test_a_hard_subset_is_read_as_it_was_written(finished: Path, tmp_path: Path) -> None:
    hard = read_hard(finished / "run/hard.json")
    (tmp_path / "hard.json").write_bytes(hard_bytes(hard))
    assert read_hard(tmp_path / "hard.json") == hard
    assert (hard.version, hard.of_questions) == (HARD_VERSION, len(read_run(finished / "run").questions))
    without = choose_hard(load_questions(finished / "data"), None)
    assert without.knowledge_sha256 is None
    assert not any("reader" in name for name in without.shortcuts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: b"", "is not a hard subset; write one by"),
        (lambda raw: raw.replace(b'"version": 1', b'"version": 7'), "has version 7, not 1"),
        (lambda raw: raw.replace(b'"rule"', b'"ruler"'), "is not a hard subset"),
    ],
)
def test_a_file_that_is_no_hard_subset_is_refused(
    finished: Path, tmp_path: Path, change: object, message: str
) -> None:
    path = tmp_path / "hard.json"
    path.write_bytes(change((finished / "run/hard.json").read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=message):
        read_hard(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_hard(tmp_path / "absent.json")


def test_a_changed_hard_file_is_refused(finished: Path, tmp_path: Path) -> None:
    copied(finished / "run", tmp_path / "run")
    path = tmp_path / "run/hard.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n ", 1))
    with pytest.raises(DataError, match=r"hard\.json is not what the run was started with"):
        read_run(tmp_path / "run")


def test_a_hard_subset_of_other_data_is_refused(finished: Path, tmp_path: Path) -> None:
    benchmark = load_questions(finished / "data")
    other: HardSubset = dataclasses.replace(choose_hard(benchmark, None), data_sha256="0" * 64)
    with pytest.raises(DataError, match="was chosen from another question file"):
        asyncio.run(run_arms(benchmark, [], out=tmp_path / "run", hard=other))


def test_the_command_takes_a_given_subset_and_keeps_to_it(finished: Path, cli: Cli, tmp_path: Path) -> None:
    data = finished / "data"
    assert cli("audit", "--data", data, "--out", tmp_path / "hard.json").code == 0
    command = ("eval", "--data", data, "--model", "builtin:longest", "--arms", "none", "--limit", 30)
    ran = cli(*command, "--out", tmp_path / "run", "--hard", tmp_path / "hard.json")
    assert ran.code == 0, ran.err
    assert (tmp_path / "run/hard.json").read_bytes() == (tmp_path / "hard.json").read_bytes()
    again = cli(*command, "--out", tmp_path / "run")  # the run's own subset is taken, not a new one
    assert again.code == 0, again.err
    assert "30 of 30 outcomes were there already" in again.err


def test_scores_where_routing_was_right(finished: Path, cli: Cli) -> None:
    run = read_run(finished / "run")
    right = rightly_routed(run, "rag")
    rows = {row.question: row for row in run.rows if row.arm == "rag"}
    product = {item.id: item.product for item in run.questions}
    assert right == {
        name
        for name, row in rows.items()
        if row.route is RouteOutcome.PRODUCT and row.products == (product[name],)
    }
    (subset,) = summarise(run).rightly_routed
    assert (subset.questions, subset.of_questions) == (len(right), len(run.questions))
    (line,) = subset_lines(subset)
    assert line.startswith(f"rag, where routing was right ({len(right)} of {len(run.questions)} questions): ")
    assert line in cli("compare", finished / "run").out
    (alone,) = summarise(dataclasses.replace(run, header=only_arm(run.header, "rag"))).rightly_routed
    assert [arm for arm, _ in alone.tables] == ["rag"]
    assert list(subset_lines(alone)) == []


def only_arm(header: RunHeader, name: str) -> RunHeader:
    return dataclasses.replace(header, arms=tuple(arm for arm in header.arms if arm.name == name))


def test_one_row_per_product(finished: Path, cli: Cli) -> None:
    run = read_run(finished / "run")
    table = score_run(run.rows, run.questions, Rule.FIXED, "rag", by_product=True)
    assert [row.name for row in table.rows] == ["DS-MVTec/bottle", "DS-MVTec/metal_nut", "Average"]
    part = run.only([item.id for item in run.questions if item.product == "metal_nut"])
    alone = score_run(part.rows, part.questions, Rule.FIXED, "rag")
    assert table.rows[1].cells == alone.rows[0].cells
    assert "DS-MVTec/metal_nut" in cli("score", finished / "run", "--by", "product").out
    refused = cli("score", finished / "run", "--by", "product", "--rule", "strict-mmad")
    assert (refused.code, "MMAD's script knows no products" in refused.err) == (1, True)


def test_parts_need_a_run_folder(finished: Path, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "answers.json").write_text("[]")
    for flags in (("--hard",), ("--answered",)):
        refused = cli("score", tmp_path / "answers.json", *flags)
        assert (refused.code, "is not a run folder" in refused.err) == (1, True)


def test_a_run_without_a_hard_subset_says_so(finished: Path, cli: Cli, tmp_path: Path) -> None:
    benchmark = load_questions(finished / "data")
    arms = build_arms(("none",), ReaderModel(), None)
    asyncio.run(run_arms(benchmark, arms, out=tmp_path / "run"))
    assert summarise(read_run(tmp_path / "run")).hard is None
    refused = cli("score", tmp_path / "run", "--hard")
    assert (refused.code, "begun without a hard subset" in refused.err) == (1, True)


def test_a_run_that_asks_nothing_hard_says_so(finished: Path, cli: Cli, tmp_path: Path) -> None:
    benchmark = load_questions(finished / "data")
    hard = dataclasses.replace(choose_hard(benchmark, None), questions=())
    arms = build_arms(("none",), ReaderModel(), None)
    asyncio.run(run_arms(benchmark, arms, out=tmp_path / "run", hard=hard))
    assert summarise(read_run(tmp_path / "run")).hard is None
    refused = cli("score", tmp_path / "run", "--hard")
    assert (refused.code, "asks no question of the hard subset" in refused.err) == (1, True)


def test_what_is_answered_so_far(finished: Path, cli: Cli, tmp_path: Path) -> None:
    copied(finished / "run", tmp_path / "run")
    path = tmp_path / "run/outcomes.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:100]))
    assert cli("score", tmp_path / "run").code == 1
    shown = cli("score", tmp_path / "run", "--answered")
    answered = len(answered_part(read_run(tmp_path / "run")).questions)
    assert 25 <= answered <= 33
    assert f"{answered} of {len(read_run(tmp_path / 'run').questions)} questions" in shown.err
    assert cli("compare", tmp_path / "run", "--answered").code == 0
    path.write_bytes(b"")
    refused = cli("score", tmp_path / "run", "--answered")
    assert (refused.code, "no question that every arm has answered" in refused.err) == (1, True)


# --- the texts of passages


def passage(number: int, text: str = "It is round.") -> Passage:
    return Passage(f"nut/normal/appearance/{number}", "nut", "normal", Field.APPEARANCE, "Normal", text)


def test_every_passage_that_was_shown_is_kept_with_its_text(finished: Path, shipped: KnowledgeIndex) -> None:
    run = read_run(finished / "run")
    named = {name for row in run.rows if row.arm == "rag" for name in row.passages}
    assert set(run.passages) == named
    texts = {item.id: item.text for item in shipped.passages}
    assert all(texts[name] == item.text for name, item in run.passages.items())
    assert {row.knowledge is not None for row in run.rows if row.passages} == {True}
    assert {row.knowledge for row in run.rows if row.arm == "none"} == {None}
    assert {row.outcome for row in run.rows} <= set(Outcome)


def test_a_passage_is_written_once_and_a_torn_line_taken_off(tmp_path: Path) -> None:
    path = tmp_path / "passages.jsonl"
    log = PassageLog(tmp_path)
    log.keep([passage(0), passage(1)])
    log.keep([passage(1)])
    whole = path.read_bytes()
    assert whole.count(b"\n") == 2
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        kept = read_passages(tmp_path)
        PassageLog(tmp_path).keep([passage(0), passage(1)])
        assert len(kept) == whole[:cut].count(b"\n")
        assert path.read_bytes() == whole
        assert set(read_passages(tmp_path)) == {passage(0).id, passage(1).id}


def test_a_damaged_passage_is_named(tmp_path: Path) -> None:
    (tmp_path / "passages.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match=r"passages\.jsonl line 1 is damaged"):
        PassageLog(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    log = PassageLog(tmp_path)
    (tmp_path / "passages.jsonl").symlink_to("/dev/full")
    with pytest.raises(DataError, match=r"passages cannot be written .* nothing else is lost"):
        log.keep([passage(0)])


def copied(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for path in source.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
