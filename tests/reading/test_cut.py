"""A reply that was cut is read as far as its letter is certain."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.reading.parse import read_choice
from mmad_rag.records import Choice
from tests.support.shared import SHARED


def _options(*texts: str) -> tuple[Choice, ...]:
    return tuple(Choice(letter, text) for letter, text in zip("ABCDEFGH", texts, strict=False))


FOUR = _options("Scratch on the surface.", "Bent tooth.", "Color stain.", "2 broken flanks.")
LIKE = _options(
    "The image shows no defects.", "The image shows a scratch.", "It is dirty.", "The lid is off."
)
YES_NO = _options("Yes.", "No.")


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("A: The image shows no", "A"),
        ("A: The image shows no de", "A"),
        ("a: the image shows no", "A"),
        ("**A**: The image shows no", "A"),
        ("A) The image shows no def…", "A"),
        ("A The image shows no", "A"),
        ("C It is d", "C"),
        ("B: The image shows a scr", "B"),
        ("A: The image shows", None),
        ("A: The image", None),
        ("A: The image shows a", None),
        ("D: The image shows a scr", None),
        ("A: There is something", None),
        ("A: B", None),
        ("A the image shows no", None),
    ],
)
def test_a_letter_with_the_start_of_its_own_text_is_read(reply: str, letter: str | None) -> None:
    assert read_choice(reply, LIKE) == letter


WORDS = st.lists(st.text(string.ascii_lowercase, min_size=3, max_size=7), min_size=3, max_size=6)


@given(st.lists(WORDS, min_size=2, max_size=5, unique_by=lambda words: words[0][:1]), st.data())
def test_any_proper_prefix_that_no_other_option_shares_is_read(
    texts: list[list[str]], data: st.DataObject
) -> None:
    options = _options(*(" ".join(words).capitalize() + "." for words in texts))
    choice = data.draw(st.sampled_from(options))
    length = data.draw(st.integers(2, len(choice.text) - 2))
    for separator in (": ", ". ", ") ", " - ", "\n"):
        assert read_choice(f"{choice.letter}{separator}{choice.text[:length]}", options) == choice.letter


@given(WORDS, st.data())
def test_a_prefix_of_two_options_after_the_first_letter_is_not_read(
    words: list[str], data: st.DataObject
) -> None:
    shared = "Xy" + " ".join(words)
    length = data.draw(st.integers(2, len(shared)))
    assert read_choice(f"A: {shared[:length]}", _options(f"{shared} on one", f"{shared} at two")) is None


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The teeth look even, so the answer is A, but let me check the", None),
        ("I think A is right, and the", None),
        ("so the answer is B and", None),
        ("B, but let me", None),
        ("B is correct, although the", None),
        ("The answer is B because the", "B"),
        ("The answer is C. However, the", "C"),
        ("The answer is B", "B"),
        ("B", "B"),
        ("B. The tooth is", "B"),
        ("Answer: B\nThe tooth", "B"),
        ('{"answer": "B", "reason": "the', "B"),
        ("A: Scratch on", "A"),
        ("<answer>B", "B"),
    ],
)
def test_an_unfinished_sentence_is_read_as_far_as_nothing_can_take_it_back(
    reply: str, letter: str | None
) -> None:
    assert read_choice(reply, FOUR, cut=True) == letter


def test_the_words_tell_whether_a_reply_was_cut_if_nothing_else_does() -> None:
    assert read_choice("so the answer is A, but let me check the", FOUR) is None
    assert read_choice("So the answer is A, but the", FOUR) is None
    assert read_choice("So the answer is A, but the tooth is fine", FOUR) == "A"
    assert read_choice("So the answer is A, but the", FOUR, cut=False) == "A"


CASES = SHARED / "cases"


@pytest.mark.shared
@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not on this machine")
def test_shared_cases_are_read_as_their_file_says() -> None:
    reasoning = json.loads((CASES / "reasoning_replies.json").read_text(encoding="utf-8"))
    plain = json.loads((CASES / "plain_replies.json").read_text(encoding="utf-8"))
    rows = [(reply, reasoning["options"], letter) for reply, letter in reasoning["replies"]]
    rows += [(reply, plain[name], letter) for name, reply, letter in plain["replies"]]
    read = [(reply, read_choice(reply, _options(*texts)), letter) for reply, texts, letter in rows]
    assert [found for found in read if found[1] != found[2]] == []
