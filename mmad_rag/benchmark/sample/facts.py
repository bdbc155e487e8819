"""What is true of the drawn products and their defects, in the words of the sample's questions.

The words themselves are data: one file per product in the folder `facts` beside this file.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from mmad_rag.errors import DataError


class Family(StrEnum):
    """Defects that resemble each other: a wrong answer from another product is of another family."""

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
    """What is true of one kind of defect."""

    kind: str
    """The drawing's own word."""
    family: Family
    """What it resembles."""
    name: str
    """What an inspector calls it."""
    look: str
    """What is seen."""
    cause: str
    """Where it likely comes from."""
    effect: str
    """What it leads to."""


@dataclass(frozen=True, slots=True)
class Specific:
    """A question that only makes sense for one product, with wrong answers written for it."""

    type: str
    """MMAD's raw type."""
    question: str
    """The question's words."""
    answer: str
    """True of every good drawing of the product."""
    wrong: tuple[str, ...]
    """False of every good drawing; some shorter and some longer than the answer."""


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """What is true of one product."""

    product: str
    """The name in the catalogue."""
    kin: str
    """Products of the same kin are too much alike for one's purpose to be a wrong answer for the other."""
    noun: str
    """What the product is; the look-alike's is among the wrong answers."""
    layout: str
    """How the picture is arranged; true of this product alone."""
    look: str
    """Shapes and colours; true of this product alone."""
    purpose: str
    """What it is for."""
    parts: tuple[str, ...]
    """Names of parts, at least four where defects are located by part; empty elsewhere."""
    specifics: tuple[Specific, ...]
    """Questions of its own, at least two."""
    defects: tuple[DefectFacts, ...]
    """One for every kind that is drawn."""
    direction: str = ""
    """The question after the way that the picture's piece points; empty where it points nowhere."""
    colour: str = ""
    """The question after the colour that differs between good pieces; empty where none does."""


@cache
def load_facts(product: str) -> ProductFacts:
    """The facts about one drawn product, checked against the records above.

    Raises:
        DataError: there is no such file, or it does not fit.
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
