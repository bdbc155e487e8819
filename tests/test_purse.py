"""A run stops when its budget is used up, keeps what was answered, and goes on with another one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mmad_rag.benchmark.mmad import load_questions
from mmad_rag.benchmark.purse import Budget, Purse
from mmad_rag.benchmark.run import RunResult, run_arms
from mmad_rag.benchmark.run_folder import answered_part, read_run
from mmad_rag.benchmark.selection import select
from mmad_rag.errors import ModelActionError
from mmad_rag.records import Prompt, Reply, Usage
from tests.bench import arm_of, make_benchmark


def dollars(usage: Usage) -> float:
    return (usage.prompt_tokens + 10 * usage.completion_tokens) / 100  # 2 a request of `Costly`


class Costly:
    """Every reply costs 100 tokens in and 10 out."""

    def __init__(self, *, silent: bool = False) -> None:
        self.asked = 0
        self._usage = None if silent else Usage(100, 10)

    @property
    def identity(self) -> str:
        return "costly"

    async def answer(self, prompt: Prompt) -> Reply:
        self.asked += 1
        await asyncio.sleep(0)
        return Reply("A", "costly", self._usage)


def go(data: Path, out: Path, model: Costly, usd: float | None, concurrency: int = 1) -> RunResult:
    benchmark = load_questions(data)
    budget = None if usd is None else Budget(usd, dollars)
    arms = [arm_of(model), arm_of(model, "rag")]
    return asyncio.run(
        run_arms(benchmark, select(benchmark), arms, out=out, budget=budget, concurrency=concurrency)
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


def test_a_purse_foresees_what_is_under_way() -> None:
    purse = Purse(Budget(5.0, dollars), Usage(0, 0))
    assert purse.reserve()
    purse.release()
    purse.pay(Usage(100, 10))
    assert purse.spent == 2.0
    assert purse.reserve()
    assert not purse.reserve()  # 2 spent, 2 under way, 2 more would be 6
    purse.release()
    assert purse.reserve()


def test_without_a_budget_everything_is_allowed() -> None:
    purse = Purse(None, Usage(10**9, 10**9))
    assert all(purse.reserve() for _ in range(99))
    purse.pay(None)
    assert purse.spent is None


def test_a_run_stops_within_its_budget_and_goes_on_with_more(data: Path, tmp_path: Path) -> None:
    """72 requests at 2 each; 21 allows for 10."""
    model = Costly()
    result = go(data, tmp_path / "out", model, 21.0)
    assert (result.stopped, result.spent_usd, result.progress.done) == (True, 20.0, 10)
    run = read_run(tmp_path / "out")
    assert (len(run.rows), len(answered_part(run).questions)) == (10, 5)
    same = go(data, tmp_path / "out", model, 21.0)
    assert (same.stopped, same.progress.done, model.asked) == (True, 10, 10)
    more = go(data, tmp_path / "out", model, 41.0, concurrency=4)
    assert (more.stopped, more.spent_usd) == (True, 40.0)
    last = go(data, tmp_path / "out", model, None)
    assert (last.stopped, last.spent_usd, last.progress.done, model.asked) == (False, None, 72, 72)


def test_a_finished_run_needs_no_money(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", Costly(), None)
    result = go(data, tmp_path / "out", Costly(), 1.0)
    assert (result.stopped, result.progress.kept) == (False, 72)


def test_a_budget_needs_token_counts(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelActionError, match="no token counts, so no budget can be kept"):
        go(data, tmp_path / "out", Costly(silent=True), 9.0)
    assert len(read_run(tmp_path / "out").rows) == 1  # the reply that came is kept
