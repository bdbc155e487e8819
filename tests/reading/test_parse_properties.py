"""What holds of the reply parser for every text, option order or style."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmad_rag.reading.parse import read_choice
from mmad_rag.records import Choice

TEXTS = ("Bent tooth.", "Scratch on the surface.", "Hole.", "Color change.")
PIECES = (
    *(
        "A",
        "B",
        "C",
        "D",
        "E",
        "a",
        "b",
        "(B)",
        "**B**",
        "$B$",
        r"\boxed{",
        "}",
        "Answer:",
        "The answer is",
        "not",
    ),
    *(
        "or",
        "and",
        "so",
        "if",
        "wait,",
        "is correct",
        "Bent tooth.",
        "hole",
        "Yes",
        "No",
        "\n",
        " ",
        ". ",
        ", ",
    ),
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "```",
        '{"answer": "',
        '"}',
        "答案是",
        "选",
        "。",
        "~~",
    ),
    *(
        "- [x] ",
        "- [ ] ",
        "❌",
        "|",
        "正解は",
        "Antwort:",
        "ответ",
        "`",
        "_",
        "\\",
        "<b>",
        "</b>",
        "\u200b",
        "Ⓑ",
    ),
)
MESSY = st.lists(st.sampled_from(PIECES), max_size=30).map(" ".join) | st.text(max_size=200)
CLEAR = (
    *("{0}", "{0}.", "({0})", "{0}. {1}", "Answer: {0}", "The answer is {0}.", "{1}", "Answer: {1}"),
    *(
        "答案：{0}",
        "Antwort: {0}",
        "정답: {0}",
        "Ответ: {0}",
        "Respuesta: {0}",
        "{0} is correct.",
        "Therefore, {0}.",
    ),
)
"""Replies that choose: {0} is the letter, {1} the option's text."""
STYLES = (
    *(
        "{}",
        "\n{}\n",
        "**{}**",
        "*{}*",
        "__{}__",
        "`{}`",
        "```\n{}\n```",
        "> {}",
        "- {}",
        "### {}",
        "“{}”",
        "<b>{}</b>",
    ),
    *(
        "<answer>{}</answer>",
        r"\boxed{{{}}}",
        '{{"answer": "{}"}}',
        "<think>Perhaps C.</think>{}",
        "$\\text{{{}}}$",
    ),
    *("✅ {}", "- [x] {}", "<p>{}</p>", "{}<|eot_id|>"),
)


def _options(texts: tuple[str, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(letter, text) for letter, text in zip("ABCDE", texts, strict=False))


@given(MESSY, st.integers(0, 4))
@settings(max_examples=300, deadline=None)
def test_no_text_raises_or_gives_a_letter_that_was_not_offered(text: str, offered: int) -> None:
    options = _options(TEXTS[:offered])
    assert read_choice(text, options) in {None, *"ABCD"[:offered]}


@given(MESSY)
@settings(deadline=None)
def test_reading_twice_gives_the_same_and_the_letter_read_reads_as_itself(text: str) -> None:
    options = _options(TEXTS)
    letter = read_choice(text, options)
    assert read_choice(text, options) == letter
    assert letter is None or read_choice(letter, options) == letter


def test_a_clear_choice_keeps_its_reading_in_every_style() -> None:
    replies = [
        (style.format(clear.format(option.letter, option.text)), option.letter)
        for clear, style, option in itertools.product(CLEAR, STYLES, _options(TEXTS))
    ]
    read = [(reply, read_choice(reply, _options(TEXTS)), letter) for reply, letter in replies]
    assert [found for found in read if found[1] != found[2]] == []


def test_a_denied_or_shared_choice_is_read_in_no_style() -> None:
    pairs = (("A", "B"), ("B", "C"), ("D", "A"))
    denied = ("not {0}", "The answer is not {0}.", "{0} is wrong.", "{0} or {1}", "{0} and {1}")
    replies = [
        style.format(form.format(first, second))
        for form, style, (first, second) in itertools.product(denied, STYLES, pairs)
    ]
    read = [(reply, read_choice(reply, _options(TEXTS))) for reply in replies]
    assert [found for found in read if found[1] is not None] == []


@given(
    st.permutations(TEXTS),
    st.sampled_from(TEXTS),
    st.sampled_from(["{}", "Answer: {}", "**{}**", "{} It is thin."]),
)
def test_a_text_is_read_as_its_option_in_whatever_order_they_stand(
    texts: list[str], text: str, form: str
) -> None:
    options = _options(tuple(texts))
    assert read_choice(form.format(text), options) == "ABCD"[texts.index(text)]


@given(st.permutations(TEXTS), st.sampled_from(TEXTS), st.sampled_from("ABCD"))
def test_a_letter_with_another_options_text_is_never_read(texts: list[str], text: str, letter: str) -> None:
    own = "ABCD"[texts.index(text)]
    for form in ("{}. {}", "Answer: {}. {}", "**{})** {}", "({}) {}"):
        read = read_choice(form.format(letter, text), _options(tuple(texts)))
        assert read == (own if letter == own else None)


PROSE = (
    "The disc is whole, the rim is even and no line crosses the face of it; if it did, a dent would show. "
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        *(PROSE, "<answer>", "{", "x\n", " \n", "<a>", "<think>", "**", "\\boxed{", "A: Bent tooth ", "if "),
        *(
            "Yes, I can see the image ",
            "is: ",
            "A... no, ",
            "scratch (A). ",
            "<|channel|>x",
            "[think ",
            "答:",
        ),
        *("(", "answer:\n", "A. ", "_", "a_", "B or "),
    ],
)
def test_the_time_to_read_grows_with_the_length(piece: str) -> None:
    """Four times the text takes four times as long, and sixteen times if reading were quadratic."""
    short, long = (piece * (length // len(piece)) + "." for length in (10_000, 40_000))
    assert cpu_seconds(long) < 9 * cpu_seconds(short) + 0.01


def cpu_seconds(reply: str) -> float:
    """The least that this thread took for reading it, so that other work on the machine does not count."""
    found = []
    for _ in range(3):
        start = time.thread_time()
        read_choice(reply, _options(TEXTS))
        found.append(time.thread_time() - start)
    return min(found)


@pytest.mark.slow
def test_a_choice_after_a_megabyte_of_reasons_is_read() -> None:
    reasons = PROSE * 10_000
    assert read_choice(f"{reasons}\n\nAnswer: B", _options(TEXTS)) == "B"
    assert read_choice(f"<think>{reasons}</think>B", _options(TEXTS)) == "B"
