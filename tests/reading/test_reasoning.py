"""The marks of reasoning of every family are known, whole and cut."""

from __future__ import annotations

import pytest

from mmad_rag.reading.parse import read_choice
from mmad_rag.reading.reasoning import without_reasoning
from mmad_rag.records import Choice

TEXTS = ("Scratch on the surface.", "Bent tooth.", "Color stain.", "2 broken flanks.")
OPTIONS = tuple(Choice(letter, text) for letter, text in zip("ABCD", TEXTS, strict=True))
FAMILIES = [
    ("<think>", "</think>"),
    ("<think>", "</thinking>"),
    ("<Thought>", "</Thought>"),
    ("<think type='short'>", "</think>"),
    ("< think >", "< /think >"),
    ("<seed:think>", "</seed:think>"),
    ("<seed:think><seed:cot_budget_reflect>x</seed:cot_budget_reflect>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("<inner_monologue>", "</inner_monologue>"),
    ("<chain_of_thought>", "</chain_of_thought>"),
    ("<reflection>", "</reflection>"),
    ("<scratchpad>", "</scratchpad>"),
    ("<rationale>", "</rationale>"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("◁think▷", "◁/think▷"),
    ("[THINK]", "[/THINK]"),
    ("[REASONING]", "[/REASONING]"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>\n<|begin_of_solution|>"),
    ("<｜begin▁of▁thought｜>", "<｜end▁of▁thought｜>"),
    ("<|think_start|>", "<|think_end|>"),
    ("<|thinking|>", "<|/thinking|>"),
    ("<|think|>", "<|end|><|begin|>assistant<|content|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("thought\n", "<unused95>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    (
        "<|channel|>commentary to=functions.x <|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
    ("<SUMMARY>", "</SUMMARY><CONCLUSION>"),
    ("<SUMMARY>I see.</SUMMARY>\n<CAPTION>", "</CAPTION><REASONING>C.</REASONING>\n<CONCLUSION>"),
    ("<REASONING>", "<CONCLUSION>"),
    ("<think>", "</think>\n\n<response>\n"),
    ("<think>", "</think>\n<|begin_of_box|>"),
    ("Thinking...\n", "...done thinking.\n\n"),
    ("Here are my reasoning steps:\n", "[BEGIN FINAL RESPONSE]\n"),
    ("Here is my thought process:", "Here is my response:"),
    ('<details type="reasoning" done="true">', "</details>"),
]


@pytest.mark.parametrize(("opening", "closing"), FAMILIES)
@pytest.mark.parametrize("letter", ["A", "C"])
def test_only_what_follows_whole_reasoning_is_read(opening: str, closing: str, letter: str) -> None:
    thought = f"{opening}The teeth look even, so the answer is {letter}. Or A, let me check."
    assert read_choice(f"{thought}{closing}B", OPTIONS) == "B"
    assert read_choice(f"{thought}{closing}The answer is B.<|im_end|>", OPTIONS) == "B"
    assert read_choice(f"{thought}{closing}I cannot tell.", OPTIONS) is None


@pytest.mark.parametrize(
    "opening", [opening for opening, _ in FAMILIES if "Here" not in opening and opening != "[REASONING]"]
)
def test_letters_of_unfinished_reasoning_are_not_read(opening: str) -> None:
    for thought in ("The answer is A. Or", "so the answer is A, but let me check the", "A\n", "Answer: A"):
        assert read_choice(opening + thought, OPTIONS) is None


def test_headings_and_words_that_only_resemble_marks_belong_to_the_reply() -> None:
    for reply in (
        "[Reasoning] The line is thin.\n\nAnswer: B",
        "<summary>The answer is B.</summary>",
        "B<|im_e",
    ):
        assert read_choice(reply, OPTIONS) == "B"


def test_what_stands_between_two_blocks_is_kept() -> None:
    assert without_reasoning("<think>a</think>one <reflection>b</reflection>two") == "one two"
