"""Replies that ended at the token limit, were withheld, or have no text are counted, told and asked again."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.endings import ArmEndings, ending_lines, endings_of
from mmad_rag.benchmark.analysis.summary import summarise
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.budget import Budget
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.rescore import rescore
from mmad_rag.benchmark.run.run_arms import RunResult, run_arms
from mmad_rag.records import Outcome, Prompt, Reply, Usage
from mmad_rag.report.html.page import render_page
from tests.support.bench import arm_of, make_benchmark
from tests.support.running import Cli

FINISHES = ["length"] * 5 + ["content_filter"] * 2 + ["stop"]


@dataclasses.dataclass
class Provider:
    """Answers the n-th question as told; its identity does not change."""

    reply: Callable[[int], Reply]
    asked: int = 0

    @property
    def identity(self) -> str:
        return "provider"

    async def answer(self, _prompt: Prompt) -> Reply:
        self.asked += 1
        return self.reply(self.asked - 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


def go(
    data: Path, out: Path, model: Provider, *, retry_empty: bool = False, usd: float | None = None
) -> RunResult:
    budget = None if usd is None else Budget(usd, lambda usage: usage.prompt_tokens / 100)
    arms = [arm_of(model)]
    return asyncio.run(
        run_arms(load_questions(data), arms, out=out, budget=budget, concurrency=1, retry_empty=retry_empty)
    )


def mixed(number: int) -> Reply:
    finish = FINISHES[number % len(FINISHES)]
    text = {"length": "Let me look at the", "content_filter": "", "stop": "A"}[finish]
    return Reply(text, "m", finish=finish)


def test_endings_are_stored_counted_and_told(data: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "run"
    go(data, out, Provider(mixed))
    run = read_run(out)
    total = len(run.rows)
    expected = [FINISHES[number % len(FINISHES)] for number in range(total)]
    assert [row.finish for row in run.rows] == expected
    cut, withheld = expected.count("length"), expected.count("content_filter")
    (found,) = endings_of(run)
    assert found == ArmEndings("none", total, total, cut, cut, withheld, withheld)
    summary = summarise(run)
    assert summary.endings == (found,)
    (line,) = ending_lines(summary.endings)
    assert line.startswith(
        f"none: of {total} replies, {cut} ended at the token limit, {withheld} were withheld by a filter, "
        f"{withheld} have no text. Warning: {cut / total:.1%} of the replies are cut"
    )
    assert "--option max_tokens=N" in line
    assert line in cli("compare", out).err.replace("\n", " ")
    assert json.loads(cli("compare", out, "--json").out)["endings"][0]["cut"] == cut
    assert "ended at the token limit" in render_page(run, summary)


@pytest.mark.parametrize(("cut", "warned"), [(0, False), (1, False), (10, False), (11, True), (1_000, True)])
def test_more_than_one_in_a_hundred_is_warned_about(cut: int, warned: bool) -> None:
    lines = list(ending_lines([ArmEndings("rag", 1_000, 1_000, cut, 0, 0, 0)]))
    assert any("Warning" in line for line in lines) == warned
    assert bool(lines) == (cut > 0)


def test_what_is_not_known_is_not_counted(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "run", Provider(lambda _number: Reply("A", "m")))
    (found,) = endings_of(read_run(tmp_path / "run"))
    assert (found.known, found.cut, found.empty) == (0, 0, 0)
    assert list(ending_lines([found])) == []


def test_replies_without_text_are_asked_again_on_request(data: Path, tmp_path: Path, cli: Cli) -> None:
    """Every third reply is empty, as an error told with status 200 was in earlier versions."""
    out, tokens = tmp_path / "run", Usage(100, 1)
    first = Provider(lambda number: Reply("" if number % 3 == 0 else "A", "m", tokens, latency_s=1.0))
    go(data, out, first)
    empty = [row.question for row in read_run(out).rows if row.has_no_text]
    assert rescore(out).unexplained == len(empty) == (first.asked + 2) // 3
    assert f"{len(empty)} replies have no text" in cli("rescore", out).err

    second = Provider(lambda _number: Reply("B", "m", tokens, latency_s=2.0, finish="stop"))
    go(data, out, second)
    assert second.asked == 0, "without the option an empty reply is a reply"
    spent = go(data, out, second, retry_empty=True, usd=1_000.0).spent_usd
    assert second.asked == len(empty)
    assert spent == first.asked + second.asked
    rows = {row.question: row for row in read_run(out).rows}
    assert {rows[question].reply for question in empty} == {"B"}
    assert {rows[question].finish for question in empty} == {"stop"}
    assert not any(row.outcome is Outcome.INVALID for row in rows.values())
    assert rescore(out).unexplained == 0
    again = go(data, out, second, retry_empty=True, usd=1_000.0)
    assert (second.asked, again.spent_usd) == (len(empty), spent)


def test_a_reply_that_stays_empty_is_asked_once_each_time(data: Path, tmp_path: Path) -> None:
    out, times = tmp_path / "run", iter(range(1, 1_000))
    model = Provider(lambda _number: Reply(" \n", "m", Usage(100, 0), latency_s=float(next(times))))
    go(data, out, model)
    total = model.asked
    assert go(data, out, model, retry_empty=True, usd=1_000.0).spent_usd == 2 * total
    assert model.asked == 2 * total
    assert go(data, out, model, usd=1_000.0).spent_usd == 2 * total
