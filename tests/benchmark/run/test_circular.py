"""Circular evaluation: a subset is asked in every rotation of its options."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mmad_rag.benchmark.analysis.circular import circular_scores, circular_subset
from mmad_rag.benchmark.data.draws import own_letter, shown_choices
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.reader import answered_part, read_run
from mmad_rag.benchmark.run.run_arms import RunResult, run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.errors import DataError
from mmad_rag.records import Prompt
from tests.support.bench import arm_of, ends, make_benchmark, question, scripted
from tests.support.running import Cli


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_benchmark(tmp_path / "data")


def go(data: Path, out: Path, reply: object, *, circular: int = 10, seed: int = 0) -> RunResult:
    benchmark = load_questions(data)
    model = scripted(reply)  # type: ignore[arg-type]
    return asyncio.run(
        run_arms(
            benchmark, [arm_of(model), arm_of(model, "rag")], out=out,
            settings=RunSettings(circular=circular, seed=seed),
        )
    )  # fmt: skip


def content(prompt: Prompt) -> str:
    """The letter of the option whose text comes first in the alphabet: goes by content alone."""
    return min(prompt.choices, key=lambda choice: choice.text).letter


def test_a_rotation_moves_options_from_the_top_to_the_end() -> None:
    item = question("VisA/nut/test/bad/1.png")
    assert [choice.text for choice in shown_choices(item, None, 1)] == ["No.", "Yes."]
    assert [choice.letter for choice in shown_choices(item, None, 1)] == ["A", "B"]
    assert own_letter(item, None, "A", 1) == "B"
    for seed in (None, 4):
        texts = {tuple(choice.text for choice in shown_choices(item, seed, turn)) for turn in range(2)}
        assert len(texts) == 2


def test_the_subset_is_drawn_by_seed_and_grows(data: Path) -> None:
    questions = load_questions(data).questions
    small, large, other = (circular_subset(questions, n, s) for n, s in ((5, 1), (12, 1), (5, 2)))
    assert (len(small), len(large)) == (5, 12)
    assert small < large
    assert small != other
    assert circular_subset(questions, 99, 0) == {item.id for item in questions}
    assert circular_subset(questions, 0, 0) == frozenset()


def test_who_always_says_the_same_letter_is_right_in_no_question(data: Path, tmp_path: Path) -> None:
    result = go(data, tmp_path / "out", "A")
    run = read_run(tmp_path / "out")
    subset = circular_subset(run.questions, 10, 0)
    further = sum(len(item.choices) - 1 for item in run.questions if item.id in subset)
    assert result.progress.total == result.progress.done == 2 * (36 + further)
    assert (len(run.rows), len(run.rotated)) == (72, 2 * further)
    assert {row.rotation for row in run.rotated} == {1, 2, 3}
    for score in circular_scores(run):
        assert (score.questions, score.every.value, score.same) == (10, 0.0, 0.0)
        assert score.first == 10 * sum(item.answer == "A" for item in run.questions if item.id in subset)
        low, high = ends(score.every)
        assert low == 0.0 < high < 35


def test_who_goes_by_content_scores_alike_in_every_order(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", content)
    for score in circular_scores(read_run(tmp_path / "out")):
        assert score.first == score.every.value
        assert score.same == 100.0
        low, high = ends(score.every)
        assert low <= score.every.value <= high


def test_a_circular_run_goes_on_and_its_settings_are_held(data: Path, tmp_path: Path) -> None:
    result = go(data, tmp_path / "out", content)
    assert (result.header.circular, result.header.circular_seed) == (10, 0)
    again = go(data, tmp_path / "out", content)
    assert again.progress.kept == again.progress.total
    with pytest.raises(DataError, match="another circular: 10 there, 11 now"):
        go(data, tmp_path / "out", content, circular=11)
    with pytest.raises(DataError, match="another circular seed: 0 there, 3 now"):
        go(data, tmp_path / "out", content, seed=3)
    with pytest.raises(DataError, match="-1 circular"):
        go(data, tmp_path / "other", content, circular=-1)
    assert go(data, tmp_path / "plain", "A", circular=0, seed=9).header.circular_seed == 0


def test_a_missing_rotation_is_named_and_leaves_its_question_unanswered(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", content)
    path = tmp_path / "out/outcomes.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    dropped = next(number for number, line in enumerate(lines) if '"rotation":2' in line)
    path.write_text("".join(lines[:dropped] + lines[dropped + 1 :]))
    run = read_run(tmp_path / "out")
    with pytest.raises(DataError, match="for 1 of 4 orders of its options"):
        circular_scores(run)
    part = answered_part(run)
    assert len(part.questions) == 35
    assert part.header.circular == 10


def test_a_row_of_a_rotation_that_is_not_asked_is_refused(data: Path, tmp_path: Path) -> None:
    go(data, tmp_path / "out", content)
    path = tmp_path / "out/outcomes.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    turned = next(line for line in lines if '"rotation":3' in line)
    path.write_text("".join(lines) + turned.replace('"rotation":3', '"rotation":4'))
    with pytest.raises(DataError, match="rotation 4 in arm"):
        read_run(tmp_path / "out")


def test_circular_scores_are_printed(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    go(data, tmp_path / "out", content)
    shown = Cli(capsys, monkeypatch)("compare", tmp_path / "out")
    assert "Circular evaluation of 10 questions, percent of these" in shown.out
