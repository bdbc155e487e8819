"""Cut a product's knowledge into passages of one or two sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mmad_rag.fields import FIELDS, Field
from mmad_rag.knowledge.schema import Defect, Normal, Product
from mmad_rag.records import NORMAL_ENTRY, Passage
from mmad_rag.words import clauses, is_foreign, sentences, size_in_words

_LONG_WORDS = 40
"""Largest size of a text that stays one passage, in words; a longer one is cut into its sentences."""
_HUGE_WORDS = 100
"""Largest size of a sentence that stays one passage, in words; a longer one beyond the Latin alphabet is cut
between its clauses. One of a hundred such letters costs up to 200 tokens."""
_LEAST_WORDS = 4


def passages_of(product: Product) -> tuple[Passage, ...]:
    """Every passage of a product, normal state first, then its defects in the file's order.

    The first passage says what the product is; ids are `product/entry/field/n`.
    """
    return tuple(_normal(product)) + tuple(
        passage for defect in product.defects for passage in _defect(product, defect)
    )


def visual_keys(product: Product) -> tuple[str, ...]:
    """The noun phrases by which an image of the product is found: the visual name first, then the aliases."""
    return (product.visual.name, *product.visual.aliases)


def _normal(product: Product) -> Iterator[Passage]:
    visual = product.visual
    known_as = f" (also: {', '.join(visual.aliases)})" if visual.aliases else ""
    worded: dict[Field, Iterable[str]] = {
        Field.IDENTITY: (f"The product is: {visual.name}{known_as}.", *visual.descriptions),
        Field.VIEW: product.view,
        Field.TELL_APART: (
            f"Unlike {other.product.replace('_', ' ')}: {how}"
            for other in product.tell_apart
            for how in other.how
        ),
    }
    fields = (field for field, spec in FIELDS.items() if spec.normal is not None)
    texts = _texts(product.normal, fields, worded)
    yield from _numbered(product.product, NORMAL_ENTRY, "Normal state", texts)


def _defect(product: Product, defect: Defect) -> Iterator[Passage]:
    names = {other.id: other.name for other in product.defects} | {NORMAL_ENTRY: "a normal piece"}
    worded: dict[Field, Iterable[str]] = {
        Field.LOOK_ALIKE: (
            f"Unlike {names[other.defect].lower()}: {how}"
            for other in defect.look_alikes
            for how in other.how
        ),
    }
    fields = (field for field, spec in FIELDS.items() if spec.defect is not None)
    texts = _texts(defect, fields, worded)
    yield from _numbered(product.product, defect.id, defect.name, texts)


def _texts(
    part: Normal | Defect, fields: Iterable[Field], worded: Mapping[Field, Iterable[str]]
) -> dict[Field, Iterable[str]]:
    """The texts of each field: the given ones, else those that stand in the file under the field's name."""
    return {field: worded[field] if field in worded else getattr(part, field.value) for field in fields}


def _numbered(product: str, entry: str, title: str, texts: dict[Field, Iterable[str]]) -> Iterator[Passage]:
    for field, lines in texts.items():
        pieces = (piece for line in lines for piece in _pieces(line))
        for number, text in enumerate(pieces, start=1):
            yield Passage(f"{product}/{entry}/{field.value}/{number}", product, entry, field, title, text)


def _pieces(text: str) -> Iterator[str]:
    """A short text whole, or the sentences of a long one, so that a token budget can choose among them.

    A heading or a number that stands alone stays with the sentence after it.
    """
    if size_in_words(text) <= _LONG_WORDS:
        yield text
        return
    waiting = ""
    for sentence in sentences(text):
        waiting = f"{waiting} {sentence}".strip()
        if size_in_words(waiting) >= _LEAST_WORDS:
            yield from _clauses(waiting)
            waiting = ""
    if waiting:
        yield waiting


def _clauses(sentence: str) -> Iterator[str]:
    """The sentence, or groups of its clauses if it is huge and beyond the Latin alphabet."""
    if size_in_words(sentence) <= _HUGE_WORDS or not is_foreign(sentence):
        yield sentence
        return
    waiting = ""
    for clause in clauses(sentence):
        if waiting and size_in_words(waiting + clause) > _LONG_WORDS:
            yield waiting.strip()
            waiting = ""
        waiting += clause
    yield waiting.strip()
