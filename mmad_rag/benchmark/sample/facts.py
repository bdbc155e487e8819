"""The facts about the drawn products and their defects, in the words of the sample's questions.

The words are data: one file per product in the folder `facts` beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from mmad_rag.errors import DataError


class Family(StrEnum):
    """A family of similar defects: a wrong answer from another product must be of another family."""

    BREAK = "break"
    """Something broke, cracked or came off."""
    SCORE = "score"
    """A sharp thing ran over the surface."""
    COLOUR = "colour"
    """A colour does not belong there."""
    FOREIGN = "foreign"
    """Matter does not belong there."""
    MISSING = "missing"
    """A part or a piece is not there."""
    SHAPE = "shape"
    """The form is wrong."""
    ORDER = "order"
    """A part is in the wrong place or the wrong way round."""
    OPENING = "opening"
    """Something is open that should be closed."""


@dataclass(frozen=True, slots=True)
class DefectFacts:
    """The facts about one kind of defect."""

    kind: str
    """The drawing's own word for the defect."""
    family: Family
    """The family of similar defects."""
    name: str
    """The name that an inspector uses."""
    look: str
    """The visible appearance of the defect."""
    cause: str
    """The likely cause of the defect."""
    effect: str
    """The effect of the defect."""


@dataclass(frozen=True, slots=True)
class Specific:
    """A question that only makes sense for one product, with wrong answers written for it."""

    type: str
    """MMAD's raw type."""
    question: str
    """The question's words."""
    answer: str
    """The right answer, true of every good drawing of the product."""
    wrong: tuple[str, ...]
    """The wrong answers, false of every good drawing; some are shorter and some longer than the answer."""


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """The facts about one product."""

    product: str
    """The name in the catalogue."""
    kin: str
    """The product's kin: products of one kin have too similar purposes to be wrong answers for each other."""
    noun: str
    """A noun phrase for the product; that of the look-alike is among the wrong answers."""
    layout: str
    """The arrangement of the image; true of this product alone."""
    look: str
    """The shapes and colours; true of this product alone."""
    purpose: str
    """The purpose of the product."""
    parts: tuple[str, ...]
    """The names of parts, at least four if defects are located by part; empty otherwise."""
    specifics: tuple[Specific, ...]
    """Questions for this product only, at least two."""
    defects: tuple[DefectFacts, ...]
    """The facts about every kind of defect that is drawn."""
    direction: str = ""
    """The question about the direction in which the piece points; empty if it points nowhere."""
    colour: str = ""
    """The question about the colour that differs between good pieces; empty if no colour differs."""


@cache
def load_facts(product: str) -> ProductFacts:
    """The facts about one drawn product, checked against the records above.

    Raises:
        DataError: there is no such file, or it does not fit the records.
    """
    import yaml
    from pydantic import TypeAdapter, ValidationError

    path = Path(__file__).parent / "facts" / f"{product}.yaml"
    try:
        return TypeAdapter(ProductFacts).validate_python(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError(f"the sample knows no facts about {product!r}; add {path}") from None
    except (ValidationError, yaml.YAMLError) as error:
        raise DataError(f"the facts in {path} do not fit their records: {error}") from error
