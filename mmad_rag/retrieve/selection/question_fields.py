"""Read from a question's own words which parts of the knowledge it needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from mmad_rag.records import Field

_QUESTIONS_KEPT = 4096
_DEFECT_WORDS = re.compile(
    r"\b(defect|anomal|abnormal|damag|wrong|fault|flaw|broken|crack|scratch|stain|contamina|deform|missing"
    r"|discolou?r|misprint|leak|torn|dent(s|ed)?\b)",
    re.IGNORECASE,
)

_TOPICS: tuple[tuple[re.Pattern[str], tuple[Field, ...]], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), fields)
    for pattern, fields in (
        (r"\b(where|locat\w*|position\w*|place\w*|which (part|side|area|region))\b", (Field.LOCATION,)),
        (
            r"\b(effects?|affect\w*|impact\w*|consequen\w*|result\w*|impl(y|ies|ication\w*)|risks?|lead)\b",
            (Field.EFFECT,),
        ),
        (r"\b(causes?|caused|reason\w*|why|origin\w*|due)\b", (Field.CAUSE,)),
        (r"\b(types?|kinds?|categor\w*|class\w*|name)\b", (Field.APPEARANCE, Field.LOOK_ALIKE)),
        (
            r"\b(appear\w*|looks?|describ\w*|descript\w*|colou?rs?|shapes?|textures?|surface)\b",
            (Field.APPEARANCE,),
        ),
        (r"\b(purpose\w*|functions?|used?|for what|what for|application\w*|role)\b", (Field.FUNCTION,)),
        (
            r"\b(parts?|components?|subcomponents?|elements?|structur\w*|made|material\w*|consist\w*)\b",
            (Field.STRUCTURE,),
        ),
        (
            r"\b(how many|number|counts?|arrang\w*|relative|order\w*|orient\w*|cent(er|re)\w*)\b",
            (Field.COMPOSITION, Field.STRUCTURE, Field.VIEW),
        ),
        (r"\b(background|camera|view\w*|picture|lighting)\b", (Field.VIEW,)),
        (
            r"\b(types?|kinds?|categor\w*|name|identif\w*|what (product|object|item|is (this|it|shown)))\b",
            (Field.IDENTITY,),
        ),
    )
)
_NORMAL_BASE = {
    Field.IDENTITY: 0.5,
    Field.APPEARANCE: 0.5,
    Field.STRUCTURE: 0.4,
    Field.COMPOSITION: 0.4,
    Field.FUNCTION: 0.3,
    Field.VIEW: 0.2,
    Field.VARIATION: 0.2,
    Field.TELL_APART: 0.1,
}
_DEFECT_BASE = {
    Field.APPEARANCE: 0.5,
    Field.LOCATION: 0.25,
    Field.EFFECT: 0.2,
    Field.LOOK_ALIKE: 0.15,
    Field.CAUSE: 0.1,
}


def asks_about_defects(question: str) -> bool:
    """Whether the question speaks of a defect, present or possible."""
    return _DEFECT_WORDS.search(question) is not None


def needs_defects(question: str) -> bool:
    """Whether the defects may hold the answer: the question speaks of one, or its words say nothing."""
    return asks_about_defects(question) or not asked_fields(question)


@lru_cache(maxsize=_QUESTIONS_KEPT)
def asked_fields(question: str) -> frozenset[Field]:
    """The fields that the question's words ask for; empty when they name none."""
    return frozenset(field for pattern, fields in _TOPICS if pattern.search(question) for field in fields)


def field_weights(question: str) -> tuple[Mapping[Field, float], Mapping[Field, float]]:
    """How much each field of the normal state, and of the defects, is needed: weights in [0, 1.5].

    A field that the question asks for gains 1. A question about something else than defects (`needs_defects`)
    gives the defects' fields nothing.
    """
    asked = asked_fields(question)
    normal = dict(_NORMAL_BASE)
    if needs_defects(question):
        normal[Field.VARIATION] = 0.5
        defect = {field: weight + (field in asked) for field, weight in _DEFECT_BASE.items()}
    else:
        normal = {field: weight + (field in asked) for field, weight in normal.items()}
        defect = dict.fromkeys(_DEFECT_BASE, 0.0)
    return normal, defect
