"""Read the choice that a reply makes, never guessing one.

A reply makes a choice when it claims exactly one option. These forms are claims:

strict   the letter alone; the letter with its option's text; `Answer: B` and its kin (`the answer is (B)`,
         `\\boxed{B}`, `<answer>B</answer>`, a JSON `"answer": "B"`), in several languages
looser   the option's own text, alone or as the first sentence; `Yes, ...` and `No, ...` where these are
         options; a letter at the start, set off by punctuation; a letter alone on a line, or with its
         option's text on the last line; `B is correct`; `I choose B`

Markup and reasoning blocks are seen through. Claims of two options, a letter that is no option, a letter with
the text of another option, a list of the options, a refusal, an article ("A defect is visible"): no choice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

from mmad_rag.benchmark.answer_markers import ANSWER_MARKERS, LETTER, NOUN
from mmad_rag.benchmark.reply_text import without_markup, without_reasoning
from mmad_rag.records import Choice

PARSER_VERSION = 1
"""Raised with every change that can read a reply differently; a run records it."""

_OPEN = r"[\s'(\[{<\-•>]*"
_CLOSE = r"['\])}>]*"

_TALK = r"is|isn't|was|can|cannot|can't|could|does|doesn't|would|may|might|seems|looks|and|or|nor|not"
_SPOKEN_OF = rf"(?!\s+(?:{_TALK})\b)"
"""After a letter in brackets: the letter is talked about, not chosen."""
_SET_OFF = re.compile(
    rf"""{_OPEN}({LETTER}){_CLOSE}(?:
        \s*\Z | [ \t]*\n
        | [ \t]*(?:\.|(?<![(\[]{LETTER})[)\]])(?=[\s'\]}})]|\Z|[A-Z][a-z]|[^\x00-\x7f]){_SPOKEN_OF}
        | [ \t]*[:;!。、–—|] | [ \t]+-[ \t] | [ \t]*\((?!{LETTER}\))
        | ,(?=\s+(?:because|since|as|due|given|the|there|it|this|not|but)\b)
        | [ \t]+(?:because|since|due[ ]to)\b
        | (?<=[)\]])[ \t]+(?=[A-Z]|(?:as|due|given|the|there|it|this|which|with|where)\b)
        | [ \t]*(?:です|입니다|번)
    )""",
    re.VERBOSE,
)
"""A letter that is meant as a letter, by what follows; not an article, nor the head of a name."""
_SET_OFF_SMALL = re.compile(
    rf"{_OPEN}([a-h]){_CLOSE}(?:\s*\Z|[ \t]*\n|(?:\.|(?<![(\[][a-h])\))(?=\s|\Z){_SPOKEN_OF}"
    r"|(?<=[)\]])[ \t]+(?=[A-Z]))"
)
_BARE = re.compile(rf"{_OPEN}((?i:{LETTER})){_CLOSE}[ \t,]+")
_ANOTHER = re.compile(
    rf"[.()\[\]}}'\s]*(?:[,;/&+|、–—-]|和|或|と|及|(?i:\b(?:and|or|und|oder|et|ou|y|o|e)\b))\s*"
    rf"(?i:option\s+)?[('\[]*{LETTER}(?=['\])}}.,;:!/&]|\s*\Z|\s*\n|\s+(?:and|or|are|is|but)\b)"
)
"""A second letter joined to the first: `A or B`, `A, C`, `A/B`."""
_DECORATION = " \t\r\n\f\v'()[]{}<>.:;,!。|•-–—=→"
_ALONE = re.compile(rf"(?:\d{{1,2}}[.)]\s*)?\(?({LETTER})", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!。\n]\s*")
_NUMBER = re.compile(r"\s*\(?\d{1,2}[.)]\s+")
_ABBREVIATED_ANSWER = re.compile(rf"{_OPEN}A\s*:")

_JSON_ANSWER = re.compile(
    r"""["'](?:final_|correct_|selected_)?(?:answer|choice|option|letter)["']\s*:\s*["']([^"'\n]*)["']""",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:n't|\b(?:not|never|cannot|unable\s+to|hard\s+to|unclear|unsure|if|whether|unless|assuming|suppose))"
    r"\s+(?:(?!(?:so|thus|hence|therefore|and|but)\b)[\w']+\s+){0,4}\Z",
    re.IGNORECASE,
)
_IS_RIGHT = re.compile(
    rf"(?<![\w'-])({LETTER})[.)'\]]*(?:\s+is\s+(?:clearly\s+|therefore\s+)?(?:the\s+)?(?:most\s+likely\s+)?"
    rf"(?:answer|(?:correct|right|best)(?:\s+(?:{NOUN}|one|description))?)"
    r"(?=\s*(?:[.,;:!)\n]|\Z|because\b|since\b))|\s*(?:选项|選項)?(?:是(?:正确|正確|对|對)|正确|正確)的?)"
)
_SECOND_THOUGHT = re.compile(
    r"\b(?:wait[,:.!–—-]|on\s+second\s+thoughts?|correction:|let\s+me\s+re-?(?:consider|check|think))",
    re.IGNORECASE,
)
_DENIAL_REACH = 80  # characters before a claim in which a denial or a condition is looked for

_Texts: TypeAlias = Mapping[str, re.Pattern[str]]


def read_choice(text: str, choices: Sequence[Choice]) -> str | None:
    """The letter of the one option that a reply claims, or None.

    Args:
        text: The reply, untouched.
        choices: The options that were offered.

    Example:
        >>> options = (Choice("A", "Yes."), Choice("B", "No."))
        >>> read_choice("The answer is **(B)**, because nothing is broken.", options)
        'B'
        >>> read_choice("A defect is visible.", options) is None
        True
    """
    body = without_reasoning(text)
    if alone := _lone_letter(without_markup(body)):  # most replies; what follows would agree
        return alone if alone in [choice.letter for choice in choices] else None
    options = {choice.letter: _text_pattern(choice.text) for choice in choices}
    values = [without_markup(value) for value in _JSON_ANSWER.findall(body)] or [without_markup(body)]
    claims = {letter for value in values for letter in _claims(value, options)}
    return claims.pop() if len(claims) == 1 and claims <= options.keys() else None


def _lone_letter(text: str) -> str | None:
    match = _ALONE.fullmatch(text.strip(_DECORATION))
    return match[1].upper() if match else None


@lru_cache(maxsize=4096)
def _text_pattern(text: str) -> re.Pattern[str]:
    """Finds an option's own text as a whole sentence or line."""
    words = without_markup(without_reasoning(text)).strip(" .,:;!'()[]").split()
    if not words:
        return re.compile(r"(?!)")
    end = r"[.!。\n]|\Z"
    if " ".join(words).casefold() in ("yes", "no"):
        end += r"|[,:;–—]|\s-\s"
    spaced = r"\s+".join(map(re.escape, words))
    return re.compile(rf"{_OPEN}{spaced}{_CLOSE}\s*?(?:{end})", re.IGNORECASE)


def _claims(text: str, options: _Texts) -> Iterator[str]:
    *_, text = _SECOND_THOUGHT.split(text)
    text = text[match.end() :] if (match := _NUMBER.match(text)) else text
    listings = {letter: _listing(letter, pattern) for letter, pattern in options.items()}
    yield from _at_start(text, options, listings)
    for line in text.splitlines():
        if alone := _lone_letter(line):
            yield alone
    for pattern in ANSWER_MARKERS:
        for match in pattern.finditer(text):
            if not _denied(text, match.start()):
                yield from _announced(text, match.end(), options, listings)
    for match in _IS_RIGHT.finditer(text):
        if not _denied(text, match.start()):
            yield match[1]


def _at_start(text: str, options: _Texts, listings: _Texts) -> Iterator[str]:
    """Claims of the first words, and of a last line that is one option's letter and text."""
    listed = {letter for letter, listing in listings.items() if listing.search(text)}
    claims = _head(text, 0, options)
    if _ABBREVIATED_ANSWER.match(text) and "A" not in listed:
        claims = set()
    others = listed - claims
    first_line = text.split("\n", 1)[0]
    starts_list = next(iter(options), None) in claims or any(listings[o].search(first_line) for o in others)
    if not (others and starts_list):
        yield from claims
    if claims & set(_texts_at(text, 0, options)):
        yield from (
            letter
            for after in _SENTENCE_END.finditer(text)
            for letter in _texts_at(text, after.end(), options)
        )
    last_line = text.rsplit("\n", 1)[-1].lstrip(_DECORATION)
    if len(listed) == 1:
        yield from (letter for letter in listed if listings[letter].match(last_line))


def _announced(text: str, start: int, options: _Texts, listings: _Texts) -> set[str]:
    """Claims of what follows a marker, unless more options are listed on the same line."""
    claims = _head(text, start, options)
    line = text[start:].split("\n", 1)[0]
    return set() if any(listings[other].search(line) for other in options.keys() - claims) else claims


@lru_cache(maxsize=4096)
def _listing(letter: str, pattern: re.Pattern[str]) -> re.Pattern[str]:
    """Finds a letter, a point or bracket, and the option's own text."""
    return re.compile(rf"(?<![\w'])(?-i:{letter})\s?[)\].:](?:{pattern.pattern})", pattern.flags)


def _head(text: str, start: int, options: _Texts) -> set[str]:
    """The options that the words from `start` on claim: a letter that is set off, or an option's text."""
    match = _SET_OFF.match(text, start) or _SET_OFF_SMALL.match(text, start)
    if match and not _ANOTHER.match(text, match.end(1)):
        return {match[1].upper(), *_texts_at(text, match.end(), options)}
    claims = set(_texts_at(text, start, options))
    bare = _BARE.match(text, start)
    if bare and bare[1].upper() in _texts_at(text, bare.end(), options):
        claims.add(bare[1].upper())
    return claims


def _texts_at(text: str, start: int, options: _Texts) -> list[str]:
    return [letter for letter, pattern in options.items() if pattern.match(text, start)]


def _denied(text: str, position: int) -> bool:
    """Whether a claim is negated or made conditional by the words right before it."""
    return _DENIED.search(text[max(0, position - _DENIAL_REACH) : position]) is not None
