"""The parts of a product file that become passages: how each is shown, weighted and asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Field(StrEnum):
    """The part of a product file that a passage was taken from."""

    IDENTITY = "identity"
    VIEW = "view"
    APPEARANCE = "appearance"
    STRUCTURE = "structure"
    FUNCTION = "function"
    VARIATION = "variation"
    COMPOSITION = "composition"
    TELL_APART = "tell_apart"
    LOCATION = "location"
    CAUSE = "cause"
    EFFECT = "effect"
    LOOK_ALIKE = "look_alike"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSpec:
    """Everything that the library knows about one field."""

    heading: str
    """Short heading of the field's column in the coverage table."""
    label: str = ""
    """Text before the field's passages in a prompt; empty if the passages need none."""
    normal: float | None = None
    """Weight of the field in the normal state if no word of the question asks for it, in [0, 1]; None if the
    normal state does not have it."""
    normal_in_doubt: float | None = None
    """The same weight if the question may be about a defect; None if that changes nothing."""
    defect: float | None = None
    """Weight of the field in a defect if no word of the question asks for it, in [0, 1]; None if defects lack
    it."""
    asked_by: tuple[str, ...] = ()
    """Case-insensitive regular expressions for the words in a question that ask for the field."""
    contrasts: bool = False
    """Whether the field's sentences tell a product from one that looks like it."""


_KINDS = r"\b(types?|kinds?|categor\w*|class\w*|name)\b"
_COUNTS = r"\b(how many|number|counts?|arrang\w*|relative|order\w*|orient\w*|cent(er|re)\w*)\b"

FIELDS: Mapping[Field, FieldSpec] = MappingProxyType(
    {
        Field.IDENTITY: FieldSpec(
            heading="",
            normal=0.5,
            asked_by=(
                r"\b(types?|kinds?|categor\w*|name|identif\w*)\b",
                r"\bwhat (product|object|item|is (this|it|shown))\b",
            ),
        ),
        Field.APPEARANCE: FieldSpec(
            heading="appear",
            normal=0.5,
            defect=0.5,
            asked_by=(
                _KINDS,
                r"\b(appear\w*|looks?|describ\w*|descript\w*|colou?rs?|shapes?|textures?|surface)\b",
            ),
            contrasts=True,
        ),
        Field.STRUCTURE: FieldSpec(
            heading="struct",
            label="Structure",
            normal=0.4,
            asked_by=(
                r"\b(parts?|components?|subcomponents?|elements?|structur\w*|made|material\w*|consist\w*)\b",
                _COUNTS,
            ),
            contrasts=True,
        ),
        Field.COMPOSITION: FieldSpec(
            heading="compos", label="Must hold", normal=0.4, asked_by=(_COUNTS,), contrasts=True
        ),
        Field.FUNCTION: FieldSpec(
            heading="funct",
            label="Function",
            normal=0.3,
            asked_by=(r"\b(purpose\w*|functions?|used?|for what|what for|application\w*|role)\b",),
        ),
        Field.VARIATION: FieldSpec(heading="variat", label="Tolerated", normal=0.2, normal_in_doubt=0.5),
        Field.VIEW: FieldSpec(
            heading="view",
            label="View",
            normal=0.2,
            asked_by=(_COUNTS, r"\b(background|camera|view\w*|picture|lighting)\b"),
            contrasts=True,
        ),
        Field.TELL_APART: FieldSpec(heading="apart", normal=0.1),
        Field.LOCATION: FieldSpec(
            heading="where",
            label="Where",
            defect=0.25,
            asked_by=(r"\b(where|locat\w*|position\w*|place\w*|which (part|side|area|region))\b",),
        ),
        Field.CAUSE: FieldSpec(
            heading="cause",
            label="Likely cause",
            defect=0.1,
            asked_by=(r"\b(causes?|caused|reason\w*|why|origin\w*|due)\b",),
        ),
        Field.EFFECT: FieldSpec(
            heading="effect",
            label="Effect",
            defect=0.2,
            asked_by=(
                r"\b(effects?|affect\w*|impact\w*|consequen\w*|result\w*|impl(y|ies|ication\w*)|risks?|lead)\b",
            ),
        ),
        Field.LOOK_ALIKE: FieldSpec(heading="alike", defect=0.15, asked_by=(_KINDS,)),
    }
)
"""The fields in the order in which the passages of an entry stand."""
