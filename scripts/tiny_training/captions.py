"""Write captions for rendered images from the knowledge base."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmad_rag.index.build.embed import KEY_TEMPLATES
from mmad_rag.knowledge import KnowledgeBase, Product, load_knowledge, passages_of, visual_keys
from mmad_rag.knowledge.schema import Defect

GOOD = "good"
_TEMPLATES = (*KEY_TEMPLATES, "{}", "{}.", "a picture of a {}.", "this is a {}", "the product is a {}.")
_FLAWED = ("a photo of a {} with {}.", "{} with {}", "a close-up of a {} that shows {}.", "{}, {}.")
_ASKED = (
    *_FLAWED,
    "{1}",
    "{1}.",
    "what does {1} look like?",
    "{1} on the {0}",
    "what is the {1} on this {0}?",
)
_SOUND = ("a photo of a good {}.", "a flawless {}", "a {} without any defect.", "normal {}")
_KEEP_WORD = 0.88


@dataclass(frozen=True, slots=True)
class Caption:
    """One line of text with what it is true of."""

    text: str
    product: str
    """The product, or a name of its own for a distractor."""
    label: str | None
    """The label of the images it fits; None when it fits every image of the product."""


class Captions:
    """Draws captions of every product in the knowledge base."""

    def __init__(self, knowledge: KnowledgeBase) -> None:
        self._products = {product.product: product for product in knowledge.products}
        self._with_defects = [product.product for product in knowledge.products if len(product.defects) > 1]
        self._sentences = {
            product.product: tuple(_normal_sentences(product)) for product in knowledge.products
        }

    @property
    def products(self) -> tuple[str, ...]:
        """Every product that has captions."""
        return tuple(self._products)

    def draw(self, product: str, label: str, rng: np.random.Generator) -> Caption:
        """A caption for an image: 45 % name, 15 % description, 25 % with its label, 15 % a sentence."""
        choice = rng.random()
        what = self._products[product]
        if choice < 0.45:
            return Caption(self._named(what, rng), product, None)
        if choice < 0.60 and what.visual.descriptions:
            return Caption(_fewer_words(_pick(what.visual.descriptions, rng), rng), product, None)
        if choice < 0.85:
            return self._labelled(what, label, rng)
        return Caption(_pick(self._sentences[product], rng), product, None)

    def entries(self, products: int, each: int, rng: np.random.Generator) -> tuple[list[str], list[str]]:
        """Defects of a few products: how one asks for them, and a sentence about each."""
        asked, told = [], []
        for name in rng.choice(self._with_defects, products, replace=False):
            product = self._products[str(name)]
            count = min(each, len(product.defects))
            for index in rng.choice(len(product.defects), count, replace=False):
                defect = product.defects[int(index)]
                key = _pick(visual_keys(product), rng)
                asked.append(_pick(_ASKED, rng).format(key, _pick(_defect_words(defect), rng)))
                told.append(_pick((*defect.appearance, *defect.location, *defect.cause, *defect.effect), rng))
        return asked, told

    def _named(self, product: Product, rng: np.random.Generator) -> str:
        keys = visual_keys(product)
        key = keys[0] if rng.random() < 0.3 else _pick(keys, rng)
        return _pick(_TEMPLATES, rng).format(_fewer_words(key, rng))

    def _labelled(self, product: Product, label: str, rng: np.random.Generator) -> Caption:
        name = _pick(visual_keys(product), rng)
        if label == GOOD:
            return Caption(_pick(_SOUND, rng).format(name), product.product, GOOD)
        defect = _pick(_defect_names(product, label), rng)
        return Caption(_pick(_FLAWED, rng).format(name, defect), product.product, label)


def corpus(knowledge: Path) -> Iterator[str]:
    """Every text that the tokenizer is learnt from: all passages, and captions of every kind."""
    base = load_knowledge(knowledge)
    captions = Captions(base)
    rng = np.random.default_rng(0)
    for product in base.products:
        for passage in passages_of(product):
            yield f"{passage.title}. {passage.text}"
        yield from (captions.draw(product.product, GOOD, rng).text for _ in range(50))


def _defect_names(product: Product, label: str) -> tuple[str, ...]:
    """What the knowledge calls a drawn defect; its own words when the knowledge does not know it."""
    for defect in product.defects:
        if label in (defect.id, *defect.folders):
            return _defect_words(defect)
    return (label.replace("_", " "),)


def _defect_words(defect: Defect) -> tuple[str, ...]:
    return (defect.name.lower(), *defect.aliases)


def _normal_sentences(product: Product) -> Iterator[str]:
    for sentence in (*product.view, *product.normal.appearance, *product.normal.structure):
        if len(sentence.split()) < 30:  # longer ones could leave the context
            yield sentence


def _fewer_words(text: str, rng: np.random.Generator) -> str:
    """Drop words now and then, so that no single word carries a product."""
    words = text.split()
    kept = [word for word in words if rng.random() < _KEEP_WORD]
    return " ".join(kept or words)


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
