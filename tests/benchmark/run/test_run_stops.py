"""A run that is stopped by an error, a cancellation or a kill is continued."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.worker import RunProgress
from mmad_rag.benchmark.score.rules import Rule
from mmad_rag.benchmark.score.score import score_run
from mmad_rag.errors import DataError, ModelActionError, ModelRetryError
from mmad_rag.records import (
    Outcome,
    Prompt,
    Reply,
)
from tests.benchmark.run import killed_run
from tests.support.bench import CountingModel, arm_of, make_benchmark, rows, run_into, scripted
from tests.support.waiting import wait_for, wait_for_async
from tests.support.warm import Warm
from tests.support.world import COLOURS, png

# --- continuing


def test_a_finished_run_asks_nothing_again(data: Path, tmp_path: Path) -> None:
    run_into(data, tmp_path / "out", [arm_of(scripted("A"))])
    before = (tmp_path / "out/outcomes.jsonl").read_bytes()
    again = scripted("A")
    result = run_into(data, tmp_path / "out", [arm_of(again)])
    assert again.prompts == []
    assert result.progress == RunProgress(done=36, total=36, kept=36, failed=0)
    assert (tmp_path / "out/outcomes.jsonl").read_bytes() == before


def test_another_picture_under_the_same_name_is_asked_again(data: Path, tmp_path: Path) -> None:
    run_into(data, tmp_path / "out", [arm_of(scripted("A"))])
    (data / "DS-MVTec/red_disc/image/bad/000.png").write_bytes(png(COLOURS["red"], shade=42))
    again = scripted("B")
    again_arm = Arm(
        "none", "none/builtin:scripted/test", "builtin:scripted/test", None, lambda _question: again
    )
    result = run_into(data, tmp_path / "out", [again_arm])
    assert len(again.prompts) == 3
    assert result.progress.kept == 33
    assert [row.letter for row in rows(tmp_path / "out")].count("B") == 3


def test_failed_questions_are_asked_again(data: Path, tmp_path: Path) -> None:
    def moody(prompt: Prompt) -> str:
        if "localization" in prompt.question:
            raise ModelRetryError("the server is busy; try again later")
        return "A"

    result = run_into(data, tmp_path / "out", [arm_of(scripted(moody))])
    assert result.progress == RunProgress(done=36, total=36, kept=0, failed=6)
    failed = [row for row in rows(tmp_path / "out") if row.outcome is Outcome.FAILED]
    assert {row.error for row in failed} == {"the server is busy; try again later"}
    assert {(row.reply, row.letter) for row in failed} == {(None, None)}
    again = scripted("A")
    result = run_into(data, tmp_path / "out", [arm_of(again)])
    assert len(again.prompts) == 6
    assert result.progress == RunProgress(done=36, total=36, kept=30, failed=0)
    assert len(rows(tmp_path / "out")) == 36


def test_another_model_needs_another_folder(data: Path, tmp_path: Path) -> None:
    run_into(data, tmp_path / "out", [arm_of(scripted("A", "one"))])
    with pytest.raises(DataError, match="another identity of arm none"):
        run_into(data, tmp_path / "out", [arm_of(scripted("A", "two"))])


# --- errors that stop the run


class Stopping:
    """Answers slowly, and raises from a certain prompt on."""

    identity = "stopping"

    def __init__(self, error: Exception, after: int) -> None:
        self.asked = 0
        self._error = error
        self._after = after

    async def answer(self, prompt: Prompt) -> Reply:
        self.asked += 1
        if self.asked > self._after:
            raise self._error
        await asyncio.sleep(0.02)
        return Reply("A", "stopping")


@pytest.mark.parametrize(
    "error", [ModelActionError("there is no API key; set OPENAI_API_KEY"), ZeroDivisionError()]
)
def test_an_error_stops_the_run_and_what_is_under_way_is_kept(
    data: Path, tmp_path: Path, error: Exception
) -> None:
    """With three workers: three prompts are answered, the fourth raises while two are under way."""
    model = Stopping(error, after=5)
    with pytest.raises(type(error)) as caught:
        run_into(data, tmp_path / "out", [arm_of(model)], concurrency=3)
    assert caught.value is error
    assert model.asked <= 8
    assert len(rows(tmp_path / "out")) == 5
    assert {row.outcome for row in rows(tmp_path / "out")} <= {Outcome.CORRECT, Outcome.WRONG}
    mended = Stopping(error, after=100)
    result = run_into(data, tmp_path / "out", [arm_of(mended)])
    assert mended.asked == 31
    assert result.progress.kept == 5


def test_an_error_in_the_progress_callback_is_raised_as_it_is(data: Path, tmp_path: Path) -> None:
    def broken(_progress: RunProgress) -> None:
        raise BrokenPipeError("no terminal")

    with pytest.raises(BrokenPipeError, match="no terminal"):
        run_into(data, tmp_path / "out", [arm_of(scripted("A"))], progress=broken)


def test_a_cancelled_run_leaves_a_store_that_can_be_continued(data: Path, tmp_path: Path) -> None:
    benchmark = load_questions(data)
    model = CountingModel()

    async def cancelled() -> None:
        running = asyncio.create_task(
            run_arms(benchmark, [arm_of(model)], out=tmp_path / "out", concurrency=2)
        )
        await wait_for_async(lambda: len(outcomes()) >= 5, "five outcomes are kept", pause=0.001)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    def outcomes() -> list[str]:
        path = tmp_path / "out/outcomes.jsonl"
        return path.read_text().splitlines() if path.exists() else []

    asyncio.run(cancelled())
    kept = len(rows(tmp_path / "out"))
    assert 5 <= kept < 36
    result = run_into(data, tmp_path / "out", [arm_of(CountingModel())])
    assert result.progress == RunProgress(done=36, total=36, kept=kept, failed=0)


# --- kill -9


@pytest.mark.slow
def test_a_run_killed_at_any_moment_ends_in_the_same_scores(tmp_path: Path, warm: Warm) -> None:
    """Killed five times and continued: the scores of one go; asked twice is only what was under way."""
    data = make_benchmark(tmp_path / "data", images=4)
    once, log = tmp_path / "once", tmp_path / "asked.log"
    killed_run.run(data, once, tmp_path / "once.log")
    program = ("python", "-m", "tests.benchmark.run.killed_run")
    for part in range(1, 6):
        process = warm.start(*program, data, tmp_path / "out", log)
        wait_for(lambda: _lines(log) >= 20 * part, f"{20 * part} prompts are asked", process=process)  # noqa: B023
        process.kill()
    assert len(read_run(tmp_path / "out").rows) < 144
    killed_run.run(data, tmp_path / "out", log)
    first, second = read_run(once), read_run(tmp_path / "out")
    assert len(second.rows) == 144
    for rule in Rule:
        for arm in ("none", "rag"):
            assert score_run(first.rows, first.questions, rule, arm) == score_run(
                second.rows, second.questions, rule, arm
            )
    asked = Counter(log.read_text().splitlines())
    assert len(asked) == 144
    assert asked.total() - 144 <= 5 * 2  # two were under way at each kill


def _lines(path: Path) -> int:
    return path.read_text().count("\n") if path.exists() else 0
