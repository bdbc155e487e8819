"""Read the choice that a reply makes, without guessing.

A reply makes a choice if it claims exactly one option. These forms are claims:

strict   the letter alone; the letter with its option's text; `Answer: B` and variants (`the answer is (B)`,
         `\\boxed{B}`, `<answer>B</answer>`, a JSON `"answer": "B"`), in several languages
looser   a letter with the start of its option's text and of no other's, where the reply was cut; the
         option's own text, alone or as the first sentence; `Yes, ...` and `No, ...` if these are options; a
         letter at the start, set off by punctuation; a letter alone on a line, as the last sentence, after
         its option's words, or with its option's text on the last line; `B is correct`; `B fits best`; `I
         choose B`; `Therefore, B.`; a ticked box

A looser form is one that has hardly any other purpose: a reply that gives the option's own words, ends with a
capital letter after `therefore`, or ticks one box of a list has chosen. Markup and reasoning blocks are
removed first. These are not choices: claims of two options, a letter that is not an option or has the text of
another, a list of the options, a refusal, a remark on the image (`Yes, please provide it`), a correction
without a clear turn (`A... no, B`), a claim that an unfinished sentence may take back, a denial, a condition,
an example, an article ("A defect is visible"), a position ("option 2"), a letter of another alphabet.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from mmad_rag.reading.answer_markers import ANSWER_MARKERS, DENIED, IS_RIGHT, JOINED, LETTER, OPTION
from mmad_rag.reading.cut import own_words, prefix_claims, stands, unfinished_from
from mmad_rag.reading.late_letters import corrected_letters, last_letter, letter_after_words
from mmad_rag.reading.letter_forms import (
    ANOTHER,
    BARE,
    CLOSE,
    ITEM,
    OPEN,
    SET_OFF,
    SET_OFF_SMALL,
    WALK,
)
from mmad_rag.reading.reasoning import without_reasoning
from mmad_rag.reading.remarks import NOT_A_REMARK
from mmad_rag.reading.reply_text import without_markup
from mmad_rag.records import Choice

PARSER_VERSION = 4
"""Version of the rules, increased with every change that can read a reply differently; a run records it."""

_DECORATION = " \t\r\n\f\v'()[]{}<>.:;,!。|•-–—=→"
_ALONE = re.compile(rf"(?:\d{{1,2}}[.)]\s*)?\(?({LETTER})", re.IGNORECASE)
_LINE_END = re.compile(r"\n")
_SENTENCE_END = re.compile(r"[.!。\n]\s*")
_INTERJECTIONS = frozenset(
    ("yes", "no", "ja", "nein", "oui", "non", "sí", "si", "sim", "não", "да", "нет", "はい", "いいえ")
)
"""Texts of options that a comma or a dash may follow, as in `No, the disc is whole.`"""
_NUMBER = re.compile(r"\s*\(?\d{1,2}[.)]\s+")
_ABBREVIATED_ANSWER = re.compile(rf"{OPEN}A\s*:")

_SEP = r"[\s_-]?"
_ANSWER_KEY = (
    rf"(?:(?:the|my|your|final|correct|selected|chosen|predicted|best|right|question|model){_SEP}){{0,2}}"
    rf"(?:answers?|choices?|option|letter|selection|prediction|verdict)(?:{_SEP}(?:answer|choice|option|letter|key|id|value"
    r"|label|selected|chosen))?|(?:最终|正确)?(?:答案|选项|选择)|回答|答え|正解|정답|antwort|r[ée]ponse|respuesta|resposta"
    r"|risposta|ответ"
)
_JSON_ANSWER = re.compile(
    rf"""["'](?:{_ANSWER_KEY})["']\s*:\s*(?:\[\s*)?["']([^"'\n]*)["'](?!\s*:)(?!\s*,\s*["'][^"'\n]{{0,200}}["']\s*\])""",
    re.IGNORECASE,
)
_SECOND_THOUGHT = re.compile(
    r"\b(?:wait[,:.!–—-]|on\s+second\s+thoughts?|correction:|let\s+me\s+re-?(?:consider|check|think)"
    r"|(?:but|however),?\s+(?:first,?\s+)?(?:let\s+me|I\s+(?:should|need\s+to|will|must)|let's)\s+"
    r"(?:first\s+)?(?:double[\s-]?)?(?:check|verify|confirm|consider|examine|look|think|make\s+sure))",
    re.IGNORECASE,
)
_DENIAL_REACH = 80  # characters before a claim in which a denial or a condition is looked for

_Texts: TypeAlias = Mapping[str, re.Pattern[str]]


def read_choice(text: str, choices: Sequence[Choice], *, cut: bool | None = None) -> str | None:
    """The letter of the one option that a reply claims, or None.

    Args:
        text: The unaltered text of the reply.
        choices: The options that were offered.
        cut: Whether the reply ended at the token limit. An unfinished sentence of such a reply is read only
            as far as nothing can take it back. None if it is unknown: then the words tell.

    Example:
        >>> options = (Choice("A", "Yes."), Choice("B", "No."))
        >>> read_choice("The answer is **(B)**, because nothing is broken.", options)
        'B'
        >>> read_choice("A defect is visible.", options) is None
        True
    """
    body = without_reasoning(text)
    if alone := _lone_letter(without_markup(body)):  # covers most replies; the rules below would agree
        return alone if alone in [choice.letter for choice in choices] else None
    options = {choice.letter: _text_pattern(choice.text) for choice in choices}
    words = {choice.letter: _words(choice.text) for choice in choices}
    fields = dict.fromkeys(_JSON_ANSWER.findall(body))
    values = [without_markup(value) for value in fields] or [without_markup(body)]
    claims = {letter for value in values for letter in _claims(value, options, words, cut)}
    return claims.pop() if len(claims) == 1 and claims <= options.keys() else None


def _lone_letter(text: str) -> str | None:
    match = _ALONE.fullmatch(text.strip(_DECORATION))
    return match[1].upper() if match else None


@lru_cache(maxsize=4096)
def _words(text: str) -> str:
    """An option's own words, without markup."""
    return own_words(without_markup(without_reasoning(text)))


@lru_cache(maxsize=4096)
def _text_pattern(text: str) -> re.Pattern[str]:
    """A pattern that finds an option's own text as a whole sentence or line."""
    words = without_markup(without_reasoning(text)).strip(" .,:;!'()[]").split()
    if not words:
        return re.compile(r"(?!)")
    end = r"[.!。\n]|\Z"
    if " ".join(words).casefold() in _INTERJECTIONS:
        end = rf"(?:\.(?![ \t]*\d)|[!。\n,、:;–—]|\s-\s|\Z){NOT_A_REMARK}"  # `No. 5` is a number
    spaced = r"\s+".join(map(re.escape, words))
    return re.compile(rf"{OPEN}{spaced}{CLOSE}\s*?(?:{end})", re.IGNORECASE)


def _claims(text: str, options: _Texts, words: Mapping[str, str], cut: bool | None) -> Iterator[str]:
    if begun := prefix_claims(text, words):
        yield from begun
        return
    *_, text = _SECOND_THOUGHT.split(text)
    text = text[match.end() :] if (match := _NUMBER.match(text)) else text
    listings = {letter: _listing(letter, pattern) for letter, pattern in options.items()}
    tail = unfinished_from(text)
    if tail or stands(text, _claim_end(text, 0, options), opens=True, cut=cut):
        yield from _at_start(text, options, listings)
    if last := last_letter(text, cut=cut):
        yield last
    yield from corrected_letters(text)
    yield from letter_after_words(text, words)
    for line in text.splitlines():
        if alone := _lone_letter(line):
            yield alone
    line_ends = [*(match.start() for match in _LINE_END.finditer(text)), len(text)]
    walk = match.end() if (match := WALK.search(text)) else len(text)
    listed = {letter: [match.start() for match in listings[letter].finditer(text)] for letter in options}
    for pattern in ANSWER_MARKERS:
        for match in pattern.finditer(text):
            if _denied(text, match.start()):
                continue
            claimed = _announced(text, match.end(), options, listed, line_ends)
            end = _claim_end(text, match.end(), options) if claimed and match.end() >= tail else -1
            if end < tail or stands(text, end, opens=False, cut=cut):
                yield from claimed
    named = {
        letter
        for match in OPTION.finditer(text, 0, walk)
        for letter in _announced(text, match.end(), options, listed, line_ends)
    }
    if len(named) == 1:  # several named options are a list
        yield from named
    yield from _called_right(text, tail, cut)


def _called_right(text: str, tail: int, cut: bool | None) -> Iterator[str]:
    """Letters that are said to be right, and those joined to them."""
    for match in IS_RIGHT.finditer(text):
        stood = match.start() < tail or stands(text, match.end(), opens=False, cut=cut)
        if stood and not _denied(text, match.start()):
            yield match[1]
            if joined := JOINED.search(text, max(0, match.start() - _DENIAL_REACH), match.start()):
                yield joined[1]


def _at_start(text: str, options: _Texts, listings: _Texts) -> Iterator[str]:
    """Options claimed by the first words, or by a last line that is one option's letter and text."""
    listed = {letter for letter, listing in listings.items() if listing.search(text)}
    claims = _head(text, 0, options)
    if _ABBREVIATED_ANSWER.match(text) and "A" not in listed:
        claims = set()
    others = listed - claims
    first_line = text.split("\n", 1)[0]
    starts_list = next(iter(options), None) in claims or any(listings[o].search(first_line) for o in others)
    if not (others and starts_list) and not _opens_list(text, claims, next(iter(options), None)):
        yield from claims
    if claims & set(_texts_at(text, 0, options)):
        yield from (
            letter
            for after in _SENTENCE_END.finditer(text)
            for letter in _texts_at(text, after.end(), options)
        )
    last_line = text.rsplit("\n", 1)[-1].lstrip(_DECORATION)
    if len(listed) == 1 and not WALK.search(text):
        yield from (letter for letter in listed if listings[letter].match(last_line))


def _opens_list(text: str, claims: set[str], first: str | None) -> bool:
    """Whether the start of the text is the first item of a list of letters, which chooses none.

    It is if another letter's item follows on the same line or starts the next one. After the first option,
    the item may follow anywhere, because a discussion of all options begins with the first.
    """
    head, _, rest = text.partition("\n")
    near = len(head) + 1 + len(rest) - len(rest.lstrip()) + 1
    for item in ITEM.finditer(text):
        if (item[1] or item[2]) not in claims:
            return first in claims or item.start() < near
    return False


def _announced(
    text: str, start: int, options: _Texts, listed: Mapping[str, Sequence[int]], line_ends: Sequence[int]
) -> set[str]:
    """Options claimed by the text after a marker, unless more options are listed on the same line.

    Args:
        text: The text of the reply.
        start: Position at which the marker ends.
        options: Patterns that find each option's text.
        listed: Option -> positions at which the text lists it, ascending.
        line_ends: Positions at which the lines of the text end, the last one included, ascending. They are
            found once for all markers, because a search from each marker to the end of a long line would take
            quadratic time.
    """
    claims = _head(text, start, options)
    end = line_ends[bisect_left(line_ends, start)]
    others = (listed[other] for other in options.keys() - claims)
    return set() if any(bisect_left(at, start) < bisect_left(at, end) for at in others) else claims


@lru_cache(maxsize=4096)
def _listing(letter: str, pattern: re.Pattern[str]) -> re.Pattern[str]:
    """A pattern that finds a letter, a full stop or bracket, and the option's own text."""
    return re.compile(rf"(?<![\w'])(?-i:{letter})\s?[)\].:](?:{pattern.pattern})", pattern.flags)


def _head(text: str, start: int, options: _Texts) -> set[str]:
    """The options that the words from `start` on claim, by a letter that is set off or an option's text."""
    match = SET_OFF.match(text, start) or SET_OFF_SMALL.match(text, start)
    if match and not ANOTHER.match(text, match.end(1)):
        return {match[1].upper(), *_texts_at(text, match.end(), options)}
    claims = set(_texts_at(text, start, options))
    bare = BARE.match(text, start)
    if bare and bare[1].upper() in _texts_at(text, bare.end(), options):
        claims.add(bare[1].upper())
    return claims


def _claim_end(text: str, start: int, options: _Texts) -> int:
    """Position after the letter or the option's text that a claim at `start` consists of."""
    if match := SET_OFF.match(text, start) or SET_OFF_SMALL.match(text, start) or BARE.match(text, start):
        return match.end(1)
    return max((match.end() for o in options.values() if (match := o.match(text, start))), default=start)


def _texts_at(text: str, start: int, options: _Texts) -> list[str]:
    return [letter for letter, pattern in options.items() if pattern.match(text, start)]


def _denied(text: str, position: int) -> bool:
    """Whether the words right before a claim negate it or make it conditional."""
    return DENIED.search(text[max(0, position - _DENIAL_REACH) : position]) is not None
