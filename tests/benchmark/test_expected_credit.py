"""A control that draws among tied options is scored by what is expected of the draw, not by the draw."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.summary import summarise
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.records import Run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.models.builtin.reader import ReaderModel
from mmad_rag.models.builtin.shortcut import Shortcut, ShortcutModel
from mmad_rag.models.protocol import Model
from mmad_rag.records import Choice, Outcome, Prompt
from tests.support.bench import arm_of, scripted


def odds_of(model: Model, *texts: str) -> dict[str, float] | None:
    choices = tuple(Choice("ABCDE"[place], text) for place, text in enumerate(texts))
    reply = asyncio.run(model.answer(Prompt("What is it?", image=None, choices=choices)))
    assert reply.odds is None or reply.text in reply.odds
    return None if reply.odds is None else dict(reply.odds)


@pytest.mark.parametrize(
    ("model", "texts", "odds"),
    [
        (ReaderModel(), ("a", "b", "c", "d"), dict.fromkeys("ABCD", 0.25)),
        (ShortcutModel(Shortcut.LONGEST), ("one", "two", "four"), {"C": 1.0}),
        (ShortcutModel(Shortcut.LONGEST), ("Yes", "No.", "?"), {"A": 0.5, "B": 0.5}),
        (ShortcutModel(Shortcut.SHORTEST), ("Yes.", "No.", "Why"), {"B": 0.5, "C": 0.5}),
        (ShortcutModel(Shortcut.FIRST), ("a", "b"), {"A": 1.0}),
        (scripted("A"), ("a", "b"), None),
    ],
)
def test_a_tie_of_k_gives_each_of_them_one_kth(
    model: Model, texts: tuple[str, ...], odds: dict[str, float] | None
) -> None:
    assert odds_of(model, *texts) == odds


def run_of(data: Path, out: Path, model: Model, *, shuffle: int | None = None) -> Run:
    settings = RunSettings(images=False, shuffle_options=shuffle)
    asyncio.run(run_arms(load_questions(data), [arm_of(model)], out=out, settings=settings))
    return read_run(out)


@pytest.mark.parametrize("shuffle", [None, 0, 5])
def test_without_knowledge_the_reader_is_exactly_at_chance(
    data: Path, tmp_path: Path, shuffle: int | None
) -> None:
    run = run_of(data, tmp_path / "run", ReaderModel(), shuffle=shuffle)
    chance = {question.id: 1 / len(question.choices) for question in run.questions}
    assert {row.question: row.expected for row in run.rows} == pytest.approx(chance)
    assert {row.outcome for row in run.rows} == {Outcome.CORRECT, Outcome.WRONG}, "a draw is still an answer"
    (level,) = summarise(run, replicates=20).levels
    by_column = {
        column: [chance[question.id] for question in run.questions if question.subtask == column]
        for column in run.columns.names
    }
    for item in level.columns[:-1]:
        assert item.value == pytest.approx(100 * sum(by_column[item.column]) / len(by_column[item.column]))
        assert item.low == pytest.approx(item.value)
        assert item.high == pytest.approx(item.value)


def test_the_score_of_a_control_does_not_depend_on_the_order_of_tied_options(
    data: Path, tmp_path: Path
) -> None:
    scores = []
    for shuffle in (None, 1, 2):
        run = run_of(data, tmp_path / str(shuffle), ShortcutModel(Shortcut.LONGEST), shuffle=shuffle)
        ((_, table),) = summarise(run, replicates=20).tables
        scores.append([cell.percent for cell in table.rows[-1].cells])
    assert scores[1] == pytest.approx(scores[0])
    assert scores[2] == pytest.approx(scores[0])


def test_other_models_are_scored_by_their_answers(data: Path, tmp_path: Path) -> None:
    run = run_of(data, tmp_path / "run", scripted("A"))
    assert {row.expected for row in run.rows} == {None}
    assert {row.credit for row in run.rows if row.outcome is Outcome.CORRECT} == {1.0}
    assert {row.credit for row in run.rows if row.outcome is Outcome.WRONG} == {0.0}
