"""A run stops when its budget is used up, keeps what was answered, and goes on with another one."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.circular import circular_scores
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.budget import Budget, BudgetTracker, Spent
from mmad_rag.benchmark.run.reader import answered_part, read_run
from mmad_rag.benchmark.run.run_arms import RunResult, run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.errors import ModelActionError
from mmad_rag.records import Prompt, Reply, Usage
from tests.support.bench import arm_of, make_benchmark


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
    return asyncio.run(run_arms(benchmark, arms, out=out, budget=budget, concurrency=concurrency))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


NOTHING = Spent(Usage(0, 0), {}, 0)
TWO = Usage(100, 10)  # costs 2


def test_a_tracker_foresees_what_is_under_way() -> None:
    async def use() -> None:
        tracker = BudgetTracker(Budget(5.0, dollars), NOTHING)
        assert await tracker.reserve("a")
        tracker.charge("a", TWO)
        await tracker.release("a")
        assert tracker.spent == 2.0
        assert await tracker.reserve("a")
        assert not await tracker.reserve("a")  # 2 spent, 2 under way, 2 more would be 6
        await tracker.release("a")
        assert await tracker.reserve("a")

    asyncio.run(use())


def test_of_an_arm_without_a_reply_one_request_goes_ahead() -> None:
    """The second waits for what the first costs; one that fails lets the next go ahead."""

    async def use() -> None:
        tracker = BudgetTracker(Budget(3.0, dollars), NOTHING)
        assert await tracker.reserve("a")
        waiting = asyncio.create_task(tracker.reserve("a"))
        assert await tracker.reserve("b")  # another arm has its own first request
        await asyncio.sleep(0)
        assert not waiting.done()
        await tracker.release("a")  # failed, nothing was paid
        assert await waiting
        tracker.charge("a", TWO)
        await tracker.release("a")
        assert not await tracker.reserve("a")
        assert not await tracker.reserve("c")  # taken to cost what the most expensive arm does

    asyncio.run(use())


def test_a_tracker_knows_the_highest_cost_of_each_arm_from_earlier_goes() -> None:
    spent = Spent(Usage(300, 30), {"a": TWO, "b": Usage(10, 1)}, 0)

    async def use() -> None:
        tracker = BudgetTracker(Budget(7.5, dollars), spent)
        assert tracker.spent == 6.0
        assert not await tracker.reserve("a")
        assert await tracker.reserve("b")

    asyncio.run(use())
    with pytest.raises(ModelActionError, match="no token counts"):
        BudgetTracker(Budget(9.0, dollars), dataclasses.replace(spent, uncounted=1))


def test_without_a_budget_everything_is_allowed() -> None:
    async def use() -> None:
        tracker = BudgetTracker(None, Spent(Usage(10**9, 10**9), {}, 3))
        for _ in range(99):
            assert await tracker.reserve("a")
        tracker.charge("a", None)
        await tracker.release("a")
        assert tracker.spent is None

    asyncio.run(use())


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
    """One reply per arm shows it, whatever the concurrency; the next go does not even begin."""
    model = Costly(silent=True)
    for _ in range(2):
        with pytest.raises(ModelActionError, match="no token counts, so no budget can be kept"):
            go(data, tmp_path / "out", model, 9.0, concurrency=8)
    assert len(read_run(tmp_path / "out").rows) == model.asked <= 2  # the replies that came are kept


def test_a_budget_is_kept_by_many_at_once(data: Path, tmp_path: Path) -> None:
    """Two requests may go ahead before a price is known, one per arm; 5 dollars pay for two."""
    result = go(data, tmp_path / "out", Costly(), 5.0, concurrency=8)
    assert (result.stopped, result.spent_usd) == (True, 4.0)


def test_a_circular_run_that_was_stopped_can_be_scored(data: Path, tmp_path: Path) -> None:
    benchmark = load_questions(data)
    asyncio.run(
        run_arms(
            benchmark, [arm_of(Costly())], out=tmp_path / "out",
            budget=Budget(41.0, dollars), settings=RunSettings(circular=9), concurrency=1,
        )
    )  # fmt: skip
    part = answered_part(read_run(tmp_path / "out"))
    (score,) = circular_scores(part)
    rotated = {row.question for row in part.rotated}
    assert 0 < score.questions == len(rotated) < 9
