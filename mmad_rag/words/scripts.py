"""Cut a text of any script into comparable words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_ASCII_WORD = re.compile(r"[a-z0-9]+")
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\ua9e0-\ua9ff\uaa60-\uaadf"
    "\u1100-\u11ff\ua960-\ua97f\uac00-\ud7ff"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3040-\u312f\u3130-\u318f\u31a0-\u31bf"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Myanmar, Khmer, Tai scripts; Korean; Chinese and Japanese. Korean puts spaces between phrases,
but glues particles onto its nouns, which pairs of syllables see through."""
_RUN = re.compile(f"[{UNSPACED}]+|[^{UNSPACED}]+")
_UNSPACED_START = re.compile(f"[{UNSPACED}]")
_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
_SIGNS = dict.fromkeys(map(ord, "。！？；：，、．｡､·「」『』（）《》〈〉【】〔〕“”‘’…—"), " ")
"""Signs that stand between letters without a space."""
_LATIN_END = "\u0250"
_SYLLABLE = re.compile("[\u3400-\u9fff\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]")
_CONDENSED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "\u0640": None}
)
"""Latin letters that Unicode does not take apart, and the stroke that lengthens Arabic words."""
_OPTIONAL = re.compile(
    "[\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
    "\u0711\u0730-\u074a\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
"""Accents, and the vowel signs of Hebrew, Arabic and Syriac, which writers leave out. The marks of Indic and
Southeast Asian scripts are letters of their words, and those of kana and Korean are joined with them."""
_ZERO_WIDTH_SPACE = "\u200b"
_OWN_LETTERS = {ord(letter): place for place, letter in enumerate("йїўѓќ", start=0xE000)}
"""Cyrillic letters that are not accented forms of others, with characters that stand in for them."""
_OWN_LETTERS_BACK = {place: chr(letter) for letter, place in _OWN_LETTERS.items()}


@lru_cache(maxsize=4096)  # the passages of a knowledge base recur in many questions
def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in order: case folded, without accents or signs; equal words are equal strings.

    A script without spaces gives pairs of neighbouring letters; Chinese and Korean give each letter too.
    Pairs find words as well as dictionaries do (Nie, Gao, Zhang and Zhou, On the use of words and n-grams
    for Chinese information retrieval, 2000). Of 20 questions about a page of Chinese, pairs found 13 right
    sentences first, letters 15 and both 16.

    Example:
        >>> words_of("Größe: 5 µm, 裂纹")
        ('grosse', '5', 'μm', '裂', '裂纹', '纹')
    """
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text.lower()))
    return tuple(
        word
        for run in "".join(_letters(plain(text))).split()
        for part in _RUN.findall(run)
        for word in (_pairs(part) if _UNSPACED_START.match(part) else (part,))
    )


def plain(text: str) -> str:
    """The text with compatible forms joined (NFKC), case folded, and what writers may leave out left out."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    kept = folded.translate(_CONDENSED).translate(_OWN_LETTERS)
    bare = _OPTIONAL.sub("", unicodedata.normalize("NFD", kept)).translate(_OWN_LETTERS_BACK)
    return unicodedata.normalize("NFKC", bare)


def is_foreign(text: str) -> bool:
    """Whether a text holds words of another alphabet than the Latin one; one Greek letter is a unit's."""
    if text.isascii():
        return False
    beyond = "".join(letter if _beyond_latin(letter) else " " for letter in text)
    return any(len(run) > 1 or _UNSPACED_START.match(run) for run in beyond.split())


def word_count(text: str) -> int:
    """The number of words of a text, as a reader counts them; two letters without spaces are one word.

    Example:
        >>> word_count("The screw M4 is bent."), word_count("表面有裂纹。")
        (5, 3)
    """
    if text.isascii():
        return len(text.split())
    letters = sum(len(_clusters(run)) for run in _UNSPACED_RUN.findall(text))
    return len(_UNSPACED_RUN.sub(" ", text).translate(_SIGNS).split()) + (letters + 1) // 2


def size_in_words(text: str) -> int:
    """What a text costs a language model, in English words: a letter beyond Latin costs as much as a word.

    This follows `estimate_tokens`: 1.5 to 2 tokens for such a letter, 1.3 for an English word.
    """
    if text.isascii():
        return len(text.split())
    beyond = sum(map(_beyond_latin, text))
    return beyond + sum(not all(map(_beyond_latin, word)) for word in text.translate(_SIGNS).split())


def _beyond_latin(letter: str) -> bool:
    return letter >= _LATIN_END and letter.isalpha() and not unicodedata.name(letter, "").startswith("LATIN")


def _letters(text: str) -> Iterator[str]:
    """The letters, digits and marks of a text, and a space for anything else."""
    for character in text:
        if character.isalnum() or (kind := unicodedata.category(character))[0] == "M":
            yield character
        elif kind != "Cf" or character == _ZERO_WIDTH_SPACE:  # joiners and soft hyphens stand inside words
            yield " "


def _pairs(run: str) -> Iterator[str]:
    """Pairs of neighbouring letters, and each Chinese or Korean letter and each letter alone."""
    letters = _clusters(run)
    for place, letter in enumerate(letters):
        if len(letters) == 1 or _SYLLABLE.match(letter):
            yield letter
        if place + 1 < len(letters):
            yield letter + letters[place + 1]


def _clusters(run: str) -> list[str]:
    """The letters of a run, each with the marks that follow it."""
    letters: list[str] = []
    for character in run:
        if letters and unicodedata.category(character)[0] == "M":
            letters[-1] += character
        else:
            letters.append(character)
    return letters
