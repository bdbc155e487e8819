"""The reply parser reads every form that it documents, and never guesses."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.reading.parse import PARSER_VERSION, read_choice
from mmad_rag.records import Choice


def _options(*texts: str) -> tuple[Choice, ...]:
    return tuple(Choice(letter, text) for letter, text in zip("ABCDE", texts, strict=False))


YES_NO = _options("Yes.", "No.")
NO_YES = _options("No.", "Yes.")
FOUR = _options("Bent tooth.", "Scratch on the surface.", "A crack.", "Color change.")
SIDES = _options("Top.", "Top right.", "Both A and B", "2.5 mm. wide")
TWINS = _options("Dent.", "dent", "Hole.")

READ = [
    # the letter alone, dressed in any way
    ("B", FOUR, "B"),
    ("b", FOUR, "B"),
    ("a", FOUR, "A"),
    ("  B\n", FOUR, "B"),
    ("B.", FOUR, "B"),
    ("(B)", FOUR, "B"),
    ("B)", FOUR, "B"),
    ("[B]", FOUR, "B"),
    ("{B}", FOUR, "B"),
    ("<B>", FOUR, "B"),
    ("'B'", FOUR, "B"),
    ('"B"', FOUR, "B"),
    ("“B”", FOUR, "B"),
    ("「B」", FOUR, "B"),
    ("【B】", FOUR, "B"),
    ("B!", FOUR, "B"),
    ("- B", FOUR, "B"),
    ("• B", FOUR, "B"),
    ("> B", FOUR, "B"),
    ("# B", FOUR, "B"),
    ("1. B", FOUR, "B"),
    ("**B**", FOUR, "B"),
    ("**B.**", FOUR, "B"),
    ("__B__", FOUR, "B"),
    ("*B*", FOUR, "B"),
    ("`B`", FOUR, "B"),
    ("```\nB\n```", FOUR, "B"),
    ("```text\nB\n```", FOUR, "B"),
    ("$B$", FOUR, "B"),
    ("$$B$$", FOUR, "B"),
    (r"\(B\)", FOUR, "B"),
    (r"\boxed{B}", FOUR, "B"),
    (r"$\boxed{B}$", FOUR, "B"),
    (r"\boxed{\text{B}}", FOUR, "B"),
    (r"$\mathbf{B}$", FOUR, "B"),
    ("Ｂ", FOUR, "B"),
    ("（Ｂ）", FOUR, "B"),
    ("Ⓑ", FOUR, "B"),
    ("Ｂ．", FOUR, "B"),
    ("<b>B</b>", FOUR, "B"),
    ("<p class='x'>B</p>", FOUR, "B"),
    ("B<|im_end|>", FOUR, "B"),
    ("B</s>", FOUR, "B"),
    ("\ufeffB\u200b", FOUR, "B"),
    # the letter and the option's text
    ("B. Scratch on the surface.", FOUR, "B"),
    ("B) Scratch on the surface", FOUR, "B"),
    ("(B) scratch on the surface", FOUR, "B"),
    ("B: Scratch on the surface.", FOUR, "B"),
    ("B - Scratch on the surface.", FOUR, "B"),
    ("B – Scratch on the surface.", FOUR, "B"),
    ("B Scratch on the surface.", FOUR, "B"),
    ("B.Scratch on the surface.", FOUR, "B"),
    ("B\nScratch on the surface.", FOUR, "B"),
    ("**B.** Scratch on the surface.", FOUR, "B"),
    ("**B. Scratch on the surface.**\n\nThe line runs across the face.", FOUR, "B"),
    ("b) scratch on the surface", FOUR, "B"),
    ("a. Bent tooth", FOUR, "A"),
    ("A. Yes.", YES_NO, "A"),
    ("A Yes", YES_NO, "A"),
    ("A: Yes", YES_NO, "A"),
    ("C - A crack.", FOUR, "C"),
    ("C, because a crack is visible.", FOUR, "C"),
    ("Option B", FOUR, "B"),
    ("Option B: Scratch on the surface.", FOUR, "B"),
    ("(C) Both A and B", SIDES, "C"),
    # announced
    ("Answer: B", FOUR, "B"),
    ("answer: b", FOUR, "B"),
    ("ANSWER: B.", FOUR, "B"),
    ("Ans: B", FOUR, "B"),
    ("Answer - B", FOUR, "B"),
    ("Answer = B", FOUR, "B"),
    ("Answer: (B)", FOUR, "B"),
    ("Answer: [B]", FOUR, "B"),
    ("Answer:\nB", FOUR, "B"),
    ("### Answer\n\nB", FOUR, "B"),
    ("**Answer:** **B**", FOUR, "B"),
    ("**Answer: B) Scratch on the surface**", FOUR, "B"),
    ("1. Answer: B.", FOUR, "B"),
    ("Answer: $B$", FOUR, "B"),
    ("Answer: option B", FOUR, "B"),
    ("The answer is B", FOUR, "B"),
    ("The answer is (B) because the line is thin, unlike (A).", FOUR, "B"),
    ("The correct answer is: B. Scratch on the surface.", FOUR, "B"),
    ("The correct answer is option B.", FOUR, "B"),
    ("The correct option is (B).", FOUR, "B"),
    ("The correct classification is C.", FOUR, "C"),
    ("Final answer: B", FOUR, "B"),
    ("So the answer would be **B**.", FOUR, "B"),
    ("The answer to this question is B.", FOUR, "B"),
    ("The best choice is B, as the mark is long.", FOUR, "B"),
    ("My choice: B", FOUR, "B"),
    ("Prediction: D", FOUR, "D"),
    ("I choose B.", FOUR, "B"),
    ("I would go with option (C).", FOUR, "C"),
    ("I'd select B because of the line.", FOUR, "B"),
    ("It is B.", FOUR, "B"),
    ("I think it's B.", FOUR, "B"),
    ("Probably B.", FOUR, "B"),
    ("B is correct.", FOUR, "B"),
    ("Option B is the right answer because of the line.", FOUR, "B"),
    ("Answer: A scratch is not a tooth. The answer is B.", FOUR, "B"),
    ("The surface is not damaged so the answer is B.", YES_NO, "B"),
    ("I'm sorry, I cannot be certain, but the answer is B.", YES_NO, "B"),
    ("Options: A. Yes. B. No.\nAnswer: B", YES_NO, "B"),
    ("A. Yes.\nB. No.\n\nAnswer: B", YES_NO, "B"),
    ("There is a long thin mark.\n\n**B**", FOUR, "B"),
    ("There is a long thin mark.\n\nB. Scratch on the surface.", FOUR, "B"),
    ("B. Compared with A, the mark is long.", FOUR, "B"),
    ("B\n\nA is wrong, since no tooth is bent.", FOUR, "B"),
    (
        "B. Scratch on the surface.\n\nWhy not the others:\n- A. Bent tooth: none.\n- D. Color change: none.",
        FOUR,
        "B",
    ),
    ("The answer is B, not A.", FOUR, "B"),
    ("Answer: B, scratch on the surface.", FOUR, "B"),
    ("Answer: B (a long thin line)", FOUR, "B"),
    ("B (scratch)", FOUR, "B"),
    ("**B** Scratch on the surface, near the rim", FOUR, "B"),
    ("| Answer | B |", FOUR, "B"),
    ("✅ B. Scratch on the surface", FOUR, "B"),
    ("B\n\nQuestion: Which tool is needed?\nA. Bent tooth.\nB. Scratch on the surface.", FOUR, "B"),
    ("Answer: B. No, wait: C.", FOUR, "C"),
    ("Classification: C", FOUR, "C"),
    ("Final: B", FOUR, "B"),
    ("Looking closely, I'd say B.", FOUR, "B"),
    ("C is wrong. B is correct.", FOUR, "B"),
    ("Option A is a tooth. Option B is a scratch. I see a line. Therefore, the answer is B.", FOUR, "B"),
    ("(b) Scratch on the surface", FOUR, "B"),
    ("The answer is most likely B.", FOUR, "B"),
    ("The answer is likely to grow.", _options("Likely to grow.", "To grow."), "A"),
    # structured
    ('{"answer": "B"}', FOUR, "B"),
    ('```json\n{"answer": "B", "reason": "The answer is A at first sight."}\n```', FOUR, "B"),
    ('{"Answer": "B. Scratch on the surface."}', FOUR, "B"),
    ("{'choice': 'b'}", FOUR, "B"),
    ('{"reason": "long mark", "final_answer": "scratch on the surface"}', FOUR, "B"),
    ('{"answer": "B", "reason": "cut o', FOUR, "B"),
    ('{"B": "Scratch on the surface."}', FOUR, "B"),
    ("<answer>B</answer>", FOUR, "B"),
    ("<answer> (B) Scratch on the surface </answer>", FOUR, "B"),
    ("[ANSWER]B[/ANSWER]", FOUR, "B"),
    ("<|begin_of_box|>B<|end_of_box|>", FOUR, "B"),
    # reasoning blocks
    ("<think>It could be A. No, the answer is C.</think>B", FOUR, "B"),
    ("<think>\nAnswer: A\n</think>\n\nAnswer: B", FOUR, "B"),
    ("Answer: A? Let me see.\n</think>\n\nB", FOUR, "B"),
    ("<Thinking>A</Thinking><answer>B</answer>", FOUR, "B"),
    ("◁think▷A or C◁/think▷B", FOUR, "B"),
    ("<|channel|>analysis<|message|>A?<|end|><|start|>assistant<|channel|>final<|message|>B", FOUR, "B"),
    # the option's own text
    ("Scratch on the surface.", FOUR, "B"),
    ("scratch  on the\nsurface", FOUR, "B"),
    ("**Color change**", FOUR, "D"),
    ("A crack.", FOUR, "C"),
    ("The answer is a crack.", FOUR, "C"),
    ("Answer: A crack.", FOUR, "C"),
    ("Scratch on the surface. The line is thin.", FOUR, "B"),
    ("Yes", YES_NO, "A"),
    ("yes.", NO_YES, "B"),
    ("No, the object looks normal.", YES_NO, "B"),
    ("Yes, there is a defect in the object.", NO_YES, "B"),
    ("Answer: Yes", YES_NO, "A"),
    ("Top right.", SIDES, "B"),
    ("Top", SIDES, "A"),
    ("Both A and B.", SIDES, "C"),
    ("2.5 mm. wide", SIDES, "D"),
    # other languages
    ("答案：B", FOUR, "B"),
    ("答案是B。", FOUR, "B"),
    ("正确答案为 (B)", FOUR, "B"),
    ("选B", FOUR, "B"),
    ("我选择B。", FOUR, "B"),
    ("B是正确的。", FOUR, "B"),
    ("B选项正确", FOUR, "B"),
    ("B。表面有划痕", FOUR, "B"),
    ("正解はBです。", FOUR, "B"),
    ("答え：Ｂ", FOUR, "B"),
    ("정답은 B입니다.", FOUR, "B"),
    ("정답: B", FOUR, "B"),
    ("Antwort: B", FOUR, "B"),
    ("Die richtige Antwort ist B.", FOUR, "B"),
    ("La réponse est B.", FOUR, "B"),
    ("Réponse : B", FOUR, "B"),
    ("La respuesta correcta es la B.", FOUR, "B"),
    ("Resposta: B", FOUR, "B"),
    ("La risposta è B.", FOUR, "B"),
    ("Ответ: B", FOUR, "B"),
    ("Đáp án: B", FOUR, "B"),
]

UNREAD = [
    # nothing, and refusals
    ("", FOUR),
    ("   \n", FOUR),
    ("...", FOUR),
    ("I am unable to determine.", FOUR),
    ("I'm sorry, I can't help with that.", FOUR),
    ("As an AI model, I cannot see pictures.", FOUR),
    ("Unable to determine", YES_NO),
    ("None of the above.", FOUR),
    ("The answer is", FOUR),
    ("Answer:", FOUR),
    # an article, an abbreviation, a part of a word
    ("A defect is visible.", FOUR),
    ("A scratch runs across the surface.", FOUR),
    ("The answer is a small scratch.", FOUR),
    ("Answer: A small scratch near the rim.", FOUR),
    ("It is A long line.", FOUR),
    ("e.g. a dent", FOUR),
    ("A.I. says so", FOUR),
    ("C-clamp marks", FOUR),
    ("Answer: A-shaped mark", FOUR),
    ("Plan B was used.", FOUR),
    ("There is an edge B in the drawing", FOUR),
    ("A: There is something on it.", YES_NO),
    ("A: B", YES_NO),
    # two options
    ("A or B", FOUR),
    ("A and C", FOUR),
    ("A, B", FOUR),
    ("A/B", FOUR),
    ("A & D", FOUR),
    ("AB", FOUR),
    ("A\nB", FOUR),
    ("Answer: A or B", FOUR),
    ("Answer: A, C", FOUR),
    ("Answer: (A) and (C)", FOUR),
    ("Answer: A. and B.", FOUR),
    ("The answer is either A or B.", FOUR),
    ("The answer is A. No, the answer is B.", FOUR),
    ("B. Scratch on the surface. The answer is C.", FOUR),
    ("B. Scratch on the surface. D. Color change.", FOUR),
    ("A. Yes. B. No.", YES_NO),
    ("(A) Yes (B) No", YES_NO),
    ("A. Yes.\nB. No.", YES_NO),
    (r"\boxed{A} and \boxed{B}", FOUR),
    ("<answer>A</answer><answer>B</answer>", FOUR),
    ('{"answer": ["A", "B"]}', FOUR),
    ("A. No.", YES_NO),
    ("Answer: B. Yes.", YES_NO),
    ("Dent.", TWINS),
    ("Option A: none.\nOption B: Scratch on the surface.", FOUR),
    ("A; B", FOUR),
    ("**A** or **B**", FOUR),
    ("Answer: A - B", FOUR),
    ("Answer: A (or B)", FOUR),
    ("Answer: D) Color change. C) A crack.", FOUR),
    ("A is the best option, but B is the correct answer.", FOUR),
    ("The answer is B or possibly C.", FOUR),
    ("Yes. No.", YES_NO),
    ("No. Yes, actually.", YES_NO),
    ("Yes or no", YES_NO),
    ("Answer: B. On second thought, I cannot tell.", FOUR),
    # no option
    ("E", FOUR),
    ("C", YES_NO),
    ("F", FOUR),
    ("Answer: F", FOUR),
    ("Answer: Z", FOUR),
    ("1", FOUR),
    ("B?", FOUR),
    ("Ответ: В", FOUR),  # the Cyrillic letter, the third of its alphabet
    # denied or conditional
    ("B is not correct.", FOUR),
    ("(B) is not correct.", FOUR),
    ("**B** cannot be right.", FOUR),
    ("B) is wrong.", FOUR),
    ("(b) is wrong.", FOUR),
    ("Answer: neither", FOUR),
    ("A, however, is wrong.", FOUR),
    ("Option A, the bent tooth, is not seen", FOUR),
    ("Answer A is wrong.", FOUR),
    ("Is the answer B? Perhaps.", FOUR),
    ("It is not clear whether B is correct.", FOUR),
    ("The answer choices are A: Yes, B: No", YES_NO),
    ("The answer is not B.", FOUR),
    ("I don't think the answer is B.", FOUR),
    ("I am unsure whether the answer is B.", FOUR),
    ("If the answer is B, the line would be thin.", FOUR),
    ("I would not choose B.", FOUR),
    ("I cannot choose B.", FOUR),
    # prose that only resembles an option
    ("There is a scratch on the surface near the edge.", FOUR),
    ("No defect is visible.", YES_NO),
    ("Top left.", SIDES),
    # reasoning that was cut off
    ("<think>The answer is B", FOUR),
    ("<think>The answer is B</think>", FOUR),
]


def test_reads_the_choice() -> None:
    read = {text: read_choice(text, options) for text, options, _ in READ}
    assert len(read) == len(READ)
    assert [(text, read[text], letter) for text, _, letter in READ if read[text] != letter] == []


def test_never_guesses() -> None:
    read = [(text, read_choice(text, options)) for text, options in UNREAD]
    assert [(text, letter) for text, letter in read if letter is not None] == []


# --- properties

WORDS = st.text(alphabet=string.ascii_letters + string.digits + " .,:;!?()[]*_`$\\{}<>/|-\n'\"", max_size=200)


@given(st.one_of(st.text(max_size=300), WORDS))
def test_the_result_is_none_or_one_of_the_letters(text: str) -> None:
    assert read_choice(text, FOUR) in {None, "A", "B", "C", "D"}


@given(st.text(alphabet="bdefghijklmnopqrstuvwxyz ", max_size=200))
def test_prose_without_any_form_is_not_read(text: str) -> None:
    """Lower-case prose of words of three letters or more: no letter stands alone, no option is named."""
    prose = " ".join(word for word in text.split() if len(word) >= 3)
    assert read_choice(f"we see {prose}", _options("1", "2", "3")) is None


@pytest.mark.parametrize(
    "wrap", ["{}", "  {}\n\n", "**{}**", "*{}*", "`{}`", "```\n{}\n```", "> {}", "# {}", "<i>{}</i>"]
)
@pytest.mark.slow
def test_wrapping_changes_nothing(wrap: str) -> None:
    for text, options in [*((row[0], row[1]) for row in READ), *UNREAD]:
        assert read_choice(wrap.format(text), options) == read_choice(text, options), text


@given(st.permutations(["Bent tooth.", "Scratch on the surface.", "A crack.", "Color change."]))
def test_an_options_text_is_read_wherever_it_stands(texts: list[str]) -> None:
    options = _options(*texts)
    for choice in options:
        assert read_choice(choice.text, options) == choice.letter
        assert read_choice(f"{choice.letter}. {choice.text}", options) == choice.letter
        others = [other for other in options if other is not choice]
        assert all(read_choice(f"{other.letter}. {choice.text}", options) is None for other in others)


def test_an_option_without_words_is_read_by_its_letter_only() -> None:
    options = _options("...", "Scratch.")
    assert read_choice("A. ...", options) == "A"
    assert read_choice("...", options) is None


def test_no_options_no_choice() -> None:
    assert read_choice("A", ()) is None


def test_the_version_is_recorded_as_a_number() -> None:
    assert PARSER_VERSION >= 1
