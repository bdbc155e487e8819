"""Tell a letter that stands for an option from an article, a list item or the start of a name."""

from __future__ import annotations

import re

from mmad_rag.reading.answer_markers import LETTER

OPEN = r"[\s'(\[{<\-•>]*"
CLOSE = r"['\])}>]*"

_TALK = r"is|isn't|was|can|cannot|can't|could|does|doesn't|would|may|might|seems|looks|and|or|nor|not"
_SPOKEN_OF = rf"(?!\s+(?:{_TALK})\b)"
"""Condition that no words follow a letter in brackets which discuss the letter instead of choosing it."""
SET_OFF = re.compile(
    rf"""{OPEN}({LETTER}){CLOSE}(?:
        \s*\Z | [ \t]*\n
        | [ \t]*(?:\.|(?<![(\[]{LETTER})[)\]])(?=[\s'\]}})]|\Z|[A-Z][a-z]|[^\x00-\x7f]){_SPOKEN_OF}
        | [ \t]*[:;!。、–—|] | [ \t]+-[ \t] | [ \t]*\((?!{LETTER}\))
        | ,(?=\s+(?:because|since|as|due|given|the|there|it|this|not|but)\b)
        | [ \t]+(?:because|since|due[ ]to)\b
        | (?<=[)\]])[ \t]+(?=[A-Z]|(?:as|due|given|the|there|it|this|which|with|where)\b)
        | [ \t]*(?:です(?![かが])|입니다|번(?=[ ]?(?:입니다|이다|이에요|[.,]|\Z)))
        | ,[ ]?(?=因|由于|由於) | [ \t]+है[ ]?(?:।|\Z)
    )""",
    re.VERBOSE,
)
"""A letter that stands for an option by the text after it; not an article, nor the start of a name."""
SET_OFF_SMALL = re.compile(
    rf"{OPEN}([a-h]){CLOSE}(?:(?:(?<=[b-h)\]}}>'])|(?<=:\sa))\s*\Z|[ \t]*\n"
    rf"|(?:\.|(?<![(\[][a-h])\))(?=\s|\Z){_SPOKEN_OF}"
    r"|(?<=[)\]])[ \t]+(?=[A-Z]))"
)
"""A lower-case letter that stands for an option; `a` at the very end does so only after a colon, because
`the answer is a` may be truncated."""
BARE = re.compile(rf"{OPEN}((?i:{LETTER})){CLOSE}[ \t,]+")
ANOTHER = re.compile(
    rf"[.()\[\]}}'\s]*(?:[,;/&+|、–—-]|和|或|と|及|(?i:\b(?:and|or|und|oder|et|ou|y|o|e"
    r"|alternatively|possibly|perhaps|maybe)\b))\s*"
    rf"(?i:option\s+)?[('\[]*{LETTER}(?=['\])}}.,;:!/&]|[^\x00-\x7f]|\s*\Z|\s*\n|\s+(?:and|or|are|is|but)\b)"
)
"""A second letter joined to the first: `A or B`, `A, C`, `A/B`."""
ITEM = re.compile(
    rf"(?:(?<=\n)|(?<=[.;,!?|][ \t]))[ \t(\[•-]*({LETTER})(?:[ \t]?[.:)\]]|[ \t]+[–—-])(?=[ \t]){_SPOKEN_OF}"
    rf"|(?<=[ \t])({LETTER})[:)](?=[ \t]){_SPOKEN_OF}"
)
"""A letter at the start of a list item: `A: 10 %, B: 90 %` weighs options and chooses none."""
WALK = re.compile(
    r"\b(?:(?:each|every|all)\s+(?:of\s+)?(?:the\s+)?(?:\w+\s+)?(?:option|choice|answer|possibilit)|one\s+by\s+one\b)",
    re.IGNORECASE,
)
"""Words that announce a discussion of all options; an option named right after them, at the end of the reply,
is not chosen."""
