"""Find the letters that stand after the words that they answer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from mmad_rag.reading.answer_markers import LETTER

_AFTER_WORDS = re.compile(
    rf"[ \t]*(?:[(\[]({LETTER})[)\]](?=\s*(?:[.!]\s|[.!]?\Z|\n))"
    rf"|(?:[-–—:=]|->|=>|→)[ \t]*({LETTER})(?=\s*[.!]?\s*(?:\Z|\n)))"
)
_IN_BRACKETS = re.compile(rf"[(\[]({LETTER})[)\]]")
_NEGATED = re.compile(
    r"\b(?:no|not|neither|nor|never|without|cannot|unlike|than|instead|except|if|whether|maybe|might|could|wrong"
    r"|incorrect|rather|option[ \t]+[a-h])\b|n't\b|[?不没非无]",
    re.IGNORECASE,
)
_LAST_LETTER = re.compile(rf"(?<=[.!。])[ \t]+[(\[]?({LETTER})[)\]]?(\.?)\s*\Z")
_ABBREVIATED = re.compile(
    rf"\b(?:figs?|no|nos|nr|vs|e\.g|i\.e|approx|dept|cf|pos|ref|{LETTER})\.\Z", re.IGNORECASE
)
_CORRECTED = re.compile(
    rf"(?:(?<!\w)({LETTER})[)\]]?)?\s?(?:\.\.\.|[.,;:–—-])\s?"
    r"(?i:no|nope|sorry|actually|rather|or\s+rather|I\s+mean|hmm|instead|scratch\s+that)\b[,.:;!\s–—-]{1,10}"
    r"(?i:actually[,\s]\s?)?(?i:it(?:'s|\s+is)\s+)?(?i:(?:the\s+)?(?:answer|option|choice)\s+(?:is\s+)?)?"
    rf"[(\[']?({LETTER})(?=[)\]'.,;!]|\s*\Z|\s*\n)"
)
_WORD = re.compile(r"\w+")
_REACH = 160  # characters of the sentence before a letter that are looked at
_TOO_SHORT = 3
_COMMON = re.compile(
    r"the|and|are|was|were|has|have|had|its|this|that|these|those|there|here|with|from|for|into|than|option|image"
    r"|answer|choice|visible|shows?|seen|present|both|one|all|any|very|most|more|only|over|under|near"
)
"""Words that tell no option from another."""


def letter_after_words(text: str, words: Mapping[str, str]) -> Iterator[str]:
    """Letters right after words of their own option alone: `Bent tooth (B)`, `The bent tooth: B`.

    Args:
        text: The text without markup.
        words: Letter -> the option's own words.
    """
    if len({found[1] for found in _IN_BRACKETS.finditer(text)}) > 1:
        return
    own = {letter: {word.casefold() for word in _WORD.findall(text)} for letter, text in words.items()}
    for found in _AFTER_WORDS.finditer(text):
        letter = found[1] or found[2]
        sentence = _sentence(text[max(0, found.start() - _REACH) : found.start()])
        if _NEGATED.search(sentence):
            continue
        said = {word.casefold() for word in _WORD.findall(sentence)}
        others = set().union(*(own[other] for other in own if other != letter))
        telling = {
            word
            for word in own.get(letter, set()) - others
            if (len(word) >= _TOO_SHORT and not _COMMON.fullmatch(word)) or not word.isascii()
        }
        elsewhere = {
            word
            for other in own
            if other != letter
            for word in own[other] - own.get(letter, set())
            if len(word) > _TOO_SHORT
        }
        if said & telling and not said & elsewhere:
            yield letter


def last_letter(text: str, *, cut: bool | None) -> str | None:
    """The letter that is the last sentence of a reply in prose: `There is no defect. B`.

    An `A` without a full stop may be the article that opens a sentence, unless the reply is known to be
    whole.
    """
    found = _LAST_LETTER.search(text)
    if found is None or (found[1] == "A" and not found[2] and cut is not False):
        return None
    before = text[max(0, found.start() - _REACH) : found.start()]
    sentence = _sentence(before[:-1])
    if _ABBREVIATED.search(before) or len(_WORD.findall(sentence)) < _TOO_SHORT:
        return None
    return found[1]


def corrected_letters(text: str) -> Iterator[str]:
    """Both letters of a correction without a clear turn: `A... no, B` claims two options."""
    for found in _CORRECTED.finditer(text):
        yield from filter(None, found.groups())


def _sentence(text: str) -> str:
    """The last sentence of a text that has no end yet."""
    return re.split(r"[.!?。\n]", text)[-1]
