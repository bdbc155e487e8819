"""Words and sentences of any script: what is equal, where a sentence ends, what a text costs."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.words import (
    clauses,
    content_words,
    is_foreign,
    prose_sentences,
    search_words,
    sentences,
    size_in_words,
    word_count,
    words_of,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ＣＲＡＣＫ　４", "crack 4"),  # full width
        ("ﬁlm", "film"),
        ("Café", "CAFE\u0301"),
        ("Größe", "GRÖSSE"),
        ("Трещина", "ТРЕЩИНА"),
        ("ещё", "еще"),
        ("Ρωγμή", "ΡΩΓΜΗ"),
        ("الشَّقّ", "الشق"),
        ("ســطح", "سطح"),
        ("ｶﾞｽｹｯﾄ", "ガスケット"),
        ("균열", unicodedata.normalize("NFD", "균열")),
        ("दरार", unicodedata.normalize("NFD", "दरार")),
        ("Ø5 rør", "o5 ror"),
        ("co\u00adoperate", "cooperate"),
        ("çatlak İZ", "catlak iz"),
    ],
)
def test_forms_of_one_word_are_equal(one: str, other: str) -> None:
    assert words_of(one) == words_of(other) != ()
    assert content_words(one) == content_words(other) != ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("裂纹", ("裂", "裂纹", "纹")),
        ("有裂纹。", ("有", "有裂", "裂", "裂纹", "纹")),
        ("M4螺丝", ("m4", "螺", "螺丝", "丝")),
        ("ひび割れ", ("ひび", "び割", "割", "割れ")),
        ("균열이", ("균", "균열", "열", "열이", "이")),
        ("दरार गहरी है", ("दरार", "गहरी", "है")),
        ("мой край", ("мой", "край")),
        ("รอยแตก", ("รอ", "อย", "ยแ", "แต", "ตก")),
        ("ที่นี่", ("ที่นี่",)),
        ("سطح أملس", ("سطح", "املس")),
        ("深", ("深",)),
        ("！？…", ()),
        ("", ()),
    ],
)
def test_the_words_of_a_script(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


def test_letters_that_carry_no_content_are_no_search_words() -> None:
    assert search_words("垫圈上有没有裂纹") == ("垫", "垫圈", "圈", "圈上", "有裂", "裂", "裂纹", "纹")
    assert content_words("有没有") == search_words("有没有") == ()


@given(st.text())
def test_any_text_has_words_that_are_compared_by_letters(text: str) -> None:
    for word in words_of(text):
        assert word == word.casefold()
        assert all(letter.isalnum() or unicodedata.category(letter)[0] == "M" for letter in word)
    assert words_of(text.swapcase().swapcase()) == words_of(text.swapcase().swapcase())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("表面光滑。没有裂纹！厚吗？是；", ["表面光滑。", "没有裂纹！", "厚吗？", "是；"]),
        ("他说“好。”然后走了。", ["他说“好。”", "然后走了。"]),
        ("长３．５毫米．宽二毫米．", ["长３．５毫米．", "宽二毫米．"]),
        ("表面光滑.没有裂纹.", ["表面光滑.", "没有裂纹."]),
        ("ﾂﾔがある｡傷はない｡", ["ﾂﾔがある｡", "傷はない｡"]),
        ("هل يوجد شق؟ لا. السطح أملس.", ["هل يوجد شق؟", "لا.", "السطح أملس."]),
        ("کیا دراڑ ہے؟ سطح ہموار ہے۔ کنارہ صاف ہے۔", ["کیا دراڑ ہے؟", "سطح ہموار ہے۔", "کنارہ صاف ہے۔"]),
        ("सतह चिकनी है। किनारा साफ़ है॥", ["सतह चिकनी है।", "किनारा साफ़ है॥"]),
        ("Край ровный. Трещин нет.", ["Край ровный.", "Трещин нет."]),
        ("3.5 mm wide. Fine.", ["3.5 mm wide.", "Fine."]),
        ("៖ល្អ។ស្អាត។", ["៖ល្អ។", "ស្អាត។"]),
        ("。。。", ["。。。"]),
        ("", []),
    ],
)
def test_a_sentence_ends_where_its_script_says(text: str, parts: list[str]) -> None:
    assert sentences(text) == parts
    assert prose_sentences(text) == parts


def test_a_reader_counts_no_sentence_inside_an_abbreviation() -> None:
    assert prose_sentences("It is e.g. red. It shines.") == ["It is e.g. red.", "It shines."]
    assert sentences("Note: red.") == ["Note:", "red."]


@given(st.text())
def test_no_letter_is_lost_between_sentences(text: str) -> None:
    for parts in (sentences(text), prose_sentences(text)):
        assert "".join("".join(parts).split()) == "".join(text.split())
        assert all(parts)
    assert "".join(clauses(text)) == text


def test_words_are_counted_as_a_reader_counts_them() -> None:
    assert word_count("The screw M4 is bent.") == 5
    assert word_count("垫圈表面有裂纹，很深。") == 5
    assert word_count("Край ровный, без трещин.") == 4
    assert word_count("ไม่มีรอยแตก") == 5
    assert word_count("") == 0
    assert size_in_words("The screw M4 is bent.") == 5
    assert size_in_words("裂纹 on the rim") == 5
    assert size_in_words("Край") == 4


@pytest.mark.parametrize(
    ("text", "foreign"),
    [("裂", True), ("Край", True), ("a 5 μm rim", False), ("Größe Œ", False), ("≥ 5 Ω", False), ("รู", True)],
)
def test_a_sign_of_a_unit_does_not_make_a_text_foreign(text: str, foreign: bool) -> None:
    assert is_foreign(text) == foreign
