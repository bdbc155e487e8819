"""The specific worth of a knowledge base: true product's text less another product's, worked out by hand."""

from __future__ import annotations

import pytest

from mmad_rag.benchmark.analysis.knowledge_value import ArmPair, product_specific_gains
from mmad_rag.benchmark.run.records import OutcomeRow
from mmad_rag.errors import DataError
from mmad_rag.records import Choice, Outcome, Question
from tests.support.bench import ends

ARMS = ("this", "this/wrong", "other", "other/wrong")
THIS, OTHER = ArmPair("this", "this/wrong"), ArmPair("other", "other/wrong")


def questions(count: int) -> list[Question]:
    choices = (Choice("A", "x"), Choice("B", "y"))
    return [
        Question(
            id=f"VisA/pcb1/test/bad/{number}.png#0",
            image_path=f"VisA/pcb1/test/bad/{number}.png",
            text="What is the effect?",
            choices=choices,
            answer="A",
            type="Defect Analysis",
            subtask="Defect Analysis",
            dataset="VisA",
            product="pcb1",
            label="bad",
        )
        for number in range(count)
    ]


def rows(asked: list[Question], right: dict[str, list[int]]) -> list[OutcomeRow]:
    """Outcomes from 1 (right) and 0 (wrong) per arm."""
    return [
        OutcomeRow(f"{item.id}{arm}", item.id, arm, Outcome.CORRECT if mark else Outcome.WRONG)
        for arm in ARMS
        for item, mark in zip(asked, right[arm], strict=True)
    ]


def test_the_difference_of_differences_is_worked_out_by_hand() -> None:
    asked = questions(4)
    marks = dict(zip(ARMS, ([1, 1, 1, 0], [0, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]), strict=True))
    found = product_specific_gains(rows(asked, marks), asked, OTHER, THIS, replicates=500)
    assert [value.column for value in found] == ["Defect Analysis", "Average"]
    for value in found:
        assert value.base == pytest.approx(50.0)
        assert value.baseline == pytest.approx(25.0)
        assert value.difference == value.estimate.value == pytest.approx(25.0)
        low, high = ends(value.estimate)
        assert low <= 25.0 <= high
        assert low < high


def test_words_that_help_with_any_product_are_worth_nothing() -> None:
    asked = questions(6)
    marks = {"this": [0] * 6, "this/wrong": [0] * 6, "other": [1] * 6, "other/wrong": [1] * 6}
    found = product_specific_gains(rows(asked, marks), asked, OTHER, THIS, replicates=50)
    assert {(value.base, value.baseline, value.low, value.high) for value in found} == {(0.0, 0.0, 0.0, 0.0)}


def test_the_same_seed_gives_the_same_interval() -> None:
    asked = questions(9)
    marks = {arm: [(number * place) % 2 for number in range(9)] for place, arm in enumerate(ARMS, start=1)}
    given = rows(asked, marks)
    first = product_specific_gains(given, asked, OTHER, THIS, replicates=99, seed=3)
    assert first == product_specific_gains(given, asked, OTHER, THIS, replicates=99, seed=3)


def test_an_arm_without_an_outcome_is_refused() -> None:
    asked = questions(2)
    marks = {arm: [1, 1] for arm in ARMS}
    with pytest.raises(DataError, match="no outcome in the arm"):
        product_specific_gains(rows(asked, marks)[:-1], asked, OTHER, THIS, replicates=5)
