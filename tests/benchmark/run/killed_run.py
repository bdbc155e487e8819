"""A run in a process of its own that writes down what it asks, so that a test can kill it: DATA OUT LOG."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.arms import Arm
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.records import Prompt, Reply
from tests.support.bench import arm_of


class LoggingModel:
    """Answers A or B by the question's words, slowly, and logs every prompt that it is asked."""

    def __init__(self, log: Path, name: str) -> None:
        self._log = log
        self._name = name

    @property
    def identity(self) -> str:
        return f"logging/{self._name}"

    async def answer(self, prompt: Prompt) -> Reply:
        assert prompt.image is not None
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{self._name} {prompt.image.digest} {prompt.question}\n")
        await asyncio.sleep(0.01)
        return Reply("AB"[int(prompt.image.digest[:2], 16) % 2], self.identity)


def arms(log: Path) -> tuple[Arm, ...]:
    return tuple(arm_of(LoggingModel(log, name), name) for name in ("none", "rag"))


def run(data: Path, out: Path, log: Path) -> None:
    benchmark = load_questions(data)
    asyncio.run(run_arms(benchmark, arms(log), out=out, concurrency=2))


if __name__ == "__main__":
    run(*(Path(argument) for argument in sys.argv[1:]))
