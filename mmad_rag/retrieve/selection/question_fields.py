"""Find the parts of the knowledge that a question needs from its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from mmad_rag.fields import FIELDS, Field

_QUESTIONS_KEPT = 4096
_DEFECT_WORDS = re.compile(
    r"\b(defect|anomal|abnormal|damag|wrong|fault|flaw|broken|crack|scratch|stain|contamina|deform|missing"
    r"|discolou?r|misprint|leak|torn|dent(s|ed)?\b)",
    re.IGNORECASE,
)

_TOPICS = {
    field: re.compile("|".join(spec.asked_by), re.IGNORECASE)
    for field, spec in FIELDS.items()
    if spec.asked_by
}
_NORMAL_BASE = {field: spec.normal for field, spec in FIELDS.items() if spec.normal is not None}
_IN_DOUBT = {
    field: spec.normal_in_doubt for field, spec in FIELDS.items() if spec.normal_in_doubt is not None
}
_DEFECT_BASE = {field: spec.defect for field, spec in FIELDS.items() if spec.defect is not None}


def asks_about_defects(question: str) -> bool:
    """Whether the question mentions a defect, present or possible."""
    return _DEFECT_WORDS.search(question) is not None


def needs_defects(question: str) -> bool:
    """Whether the defects may hold the answer: the question mentions one, or its words name no field."""
    return asks_about_defects(question) or not asked_fields(question)


@lru_cache(maxsize=_QUESTIONS_KEPT)
def asked_fields(question: str) -> frozenset[Field]:
    """The fields that the question's words ask for; empty when they name none."""
    return frozenset(field for field, pattern in _TOPICS.items() if pattern.search(question))


def field_weights(question: str) -> tuple[Mapping[Field, float], Mapping[Field, float]]:
    """The weights of the fields of the normal state and of those of the defects, in [0, 1.5].

    A field that the question asks for gains 1. If the question does not need defects (`needs_defects`), the
    defects' fields have the weight 0.
    """
    asked = asked_fields(question)
    normal = dict(_NORMAL_BASE)
    if needs_defects(question):
        normal |= _IN_DOUBT
        defect = {field: weight + (field in asked) for field, weight in _DEFECT_BASE.items()}
    else:
        normal = {field: weight + (field in asked) for field, weight in normal.items()}
        defect = dict.fromkeys(_DEFECT_BASE, 0.0)
    return normal, defect
