"""One prepared task becomes one row, by a function that shares nothing; the runner knows no arm by name."""

from __future__ import annotations

import ast
import asyncio
import dataclasses
from pathlib import Path

import pytest

import mmad_rag.benchmark.run
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.arms import ARM_NAMES, build_arms
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.benchmark.run.step import PreparedTask, run_task
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import ImageError, ModelActionError, ModelRetryError, ModelSetUpError
from mmad_rag.fields import Field
from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import Hit, Knowledge, Outcome, Passage, Prompt, Reply, Route, RouteOutcome, Usage
from mmad_rag.retrieve.config import RetrievalConfig
from tests.support.bench import arm_of, make_benchmark, question, scripted

ASKED = question("VisA/nut/test/bad/1.png", answer="A")
PASSAGE = Passage("nut#0", "nut", "normal", Field.APPEARANCE, "Normal state", "A nut has six sides.")
KNOWN = Knowledge(Route(RouteOutcome.PRODUCT, (), ("nut",), 0.9), (Hit(PASSAGE, 1.0),), "f" * 64)


class Says:
    """Replies one thing, or raises it."""

    def __init__(self, reply: str | Exception, knowledge: Knowledge | None = None) -> None:
        self._reply, self._knowledge = reply, knowledge

    @property
    def identity(self) -> str:
        return "says"

    async def answer(self, _prompt: Prompt) -> Reply:
        if isinstance(self._reply, Exception):
            raise self._reply
        return Reply(self._reply, "says", Usage(5, 1), knowledge=self._knowledge)


def task(model: Says, **changes: object) -> PreparedTask:
    row = OutcomeRow("key", ASKED.id, "any name", Outcome.FAILED, prompt="digest")
    prepared = PreparedTask(row, ASKED, model, Prompt(ASKED.text, None, ASKED.choices))
    return dataclasses.replace(prepared, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reply", "letter", "outcome"),
    [("A", "A", Outcome.CORRECT), ("B", "B", Outcome.WRONG), ("Hm.", None, Outcome.INVALID)],
)
def test_a_reply_is_graded_into_the_row(reply: str, letter: str | None, outcome: Outcome) -> None:
    prepared = task(Says(reply))
    found = asyncio.run(run_task(prepared))
    assert (found.row.reply, found.row.letter, found.row.outcome) == (reply, letter, outcome)
    assert (found.row.key, found.row.arm, found.row.usage) == ("key", "any name", Usage(5, 1))
    assert found.passages == ()
    assert asyncio.run(run_task(prepared)) == found  # nothing was changed by the first


def test_shown_passages_are_handed_out_unless_the_arm_keeps_none() -> None:
    kept, left = (
        asyncio.run(run_task(task(Says("A", KNOWN), keeps_passages=keeps))) for keeps in (True, False)
    )
    assert (kept.passages, left.passages) == ((PASSAGE,), ())
    assert kept.row == left.row
    assert (kept.row.passages, kept.row.products) == (("nut#0",), ("nut",))


@pytest.mark.parametrize("error", [ModelRetryError("busy"), ImageError("no\ud800 image")])
def test_a_reply_that_does_not_come_is_a_failed_row(error: Exception) -> None:
    found = asyncio.run(run_task(task(Says(error))))
    assert (found.row.outcome, found.row.reply) == (Outcome.FAILED, None)
    assert found.row.error == str(error).replace("\ud800", "\ufffd")


@pytest.mark.parametrize("kind", [ModelActionError, ModelSetUpError])
def test_what_the_user_must_act_on_is_raised(kind: type[ModelActionError]) -> None:
    with pytest.raises(kind, match="no key"):
        asyncio.run(run_task(task(Says(kind("no key")))))


def test_a_run_keeps_passages_as_the_arm_says_whatever_it_is_called(tmp_path: Path) -> None:
    benchmark = load_questions(make_benchmark(tmp_path / "data"))
    for keeps in (True, False):
        arm = dataclasses.replace(arm_of(Says("A", KNOWN), "rag"), keeps_passages=keeps)
        settings = RunSettings(limit=3)
        asyncio.run(run_arms(benchmark, [arm], out=tmp_path / str(keeps), settings=settings))
        run = read_run(tmp_path / str(keeps))
        assert {row.passages for row in run.rows} == {("nut#0",)}
        assert dict(run.passages) == ({"nut#0": PASSAGE} if keeps else {})


def test_only_filler_keeps_no_passages(index: KnowledgeIndex, encoder: Encoder) -> None:
    arms = build_arms(
        ARM_NAMES, scripted("A"), index, retrieval=RetrievalConfig(encoder=encoder, text_encoder=encoder)
    )
    assert [arm.name for arm in arms if not arm.keeps_passages] == ["filler"]


def test_the_runner_knows_no_arm_by_name() -> None:
    """Outside `arms.py` no file of the runner holds an arm's name as a value."""
    for path in Path(mmad_rag.benchmark.run.__file__).parent.glob("*.py"):
        if path.name != "arms.py":
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant):
                    assert node.value not in ARM_NAMES, f"{path}, line {node.lineno}"
