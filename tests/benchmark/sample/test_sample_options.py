"""How options are chosen: length, position and frequency say nothing about the answer."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmad_rag.benchmark.sample.options import Draft, choose_options
from mmad_rag.errors import DataError


def _draft(answer: str, pool: list[str], near: tuple[str, ...] = ()) -> Draft:
    return Draft("T", "Which?", (answer,), tuple((text,) for text in pool), tuple((text,) for text in near))


def test_the_answer_takes_every_rank_of_length_equally_often() -> None:
    pool = ["a", "bb", "ccc", "eeeee", "ffffff", "ggggggg"]
    questions = choose_options([_draft("dddd", pool)] * 40, np.random.default_rng(0))
    ranks = Counter(sum(len(option) > len("dddd.") for option in question.options) for question in questions)
    assert ranks == {0: 10, 1: 10, 2: 10, 3: 10}
    assert Counter(question.answer for question in questions) == {"A": 10, "B": 10, "C": 10, "D": 10}


def test_a_near_rival_is_always_used() -> None:
    questions = choose_options(
        [_draft("dddd", ["a", "bb", "eeeee", "ffffff"], ("nn",))] * 12, np.random.default_rng(0)
    )
    assert all("nn." in question.options for question in questions)


def test_a_statement_with_two_wordings_is_used_once() -> None:
    """Three statements of two lengths each serve all four ranks."""
    wordings = (("aa", "aaaaaa"), ("bb", "bbbbbb"), ("cc", "cccccc"))
    questions = choose_options([Draft("T", "Which?", ("dddd",), wordings)] * 8, np.random.default_rng(0))
    for question in questions:
        assert sorted(option[0] for option in question.options) == ["a", "b", "c", "d"]
    ranks = Counter(sum(len(option) > 5 for option in question.options) for question in questions)
    assert ranks == {0: 2, 1: 2, 2: 2, 3: 2}


def test_equally_long_texts_are_used_where_there_is_nothing_else() -> None:
    (question,) = choose_options([_draft("dd", ["aa", "bb", "cc"])], np.random.default_rng(0))
    assert sorted(question.options) == ["aa.", "bb.", "cc.", "dd."]


def test_too_few_wrong_answers_are_refused() -> None:
    with pytest.raises(DataError, match="'Which\\?' has too few wrong answers"):
        choose_options([_draft("dd", ["a", "bbb"])], np.random.default_rng(0))


def test_a_statement_is_a_rival_about_three_times_as_often_as_it_is_right() -> None:
    """Twelve statements, each right five times, in 60 questions: each is a rival about fifteen times."""
    texts = ["x" * length for length in range(1, 13)]
    drafts = [_draft(text, [other for other in texts if other != text]) for text in texts] * 5
    rivals = Counter[str]()
    for question in choose_options(drafts, np.random.default_rng(2)):
        answer = question.options["ABCD".index(question.answer)]
        rivals.update(option for option in question.options if option != answer)
    assert rivals.total() == 180
    assert all(10 <= rivals[f"{text}."] <= 21 for text in texts)


@settings(max_examples=60, deadline=None)
@given(
    pool=st.lists(st.text("abcdefgh ", min_size=1, max_size=12), min_size=4, max_size=12, unique=True),
    seed=st.integers(0, 1000),
)
def test_options_are_always_the_answer_and_three_of_the_pool(pool: list[str], seed: int) -> None:
    answer, *rest = pool
    (question,) = choose_options([_draft(answer, rest)], np.random.default_rng(seed))
    assert len(set(question.options)) == 4
    assert question.options["ABCD".index(question.answer)] == f"{answer}."
    assert {option[:-1] for option in question.options} <= set(pool)
