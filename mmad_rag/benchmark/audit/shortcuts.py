"""What a question gives away to a rule that sees no image.

Each shortcut gets a *credit* per question, its chance of being right in [0, 1]: where a rule picks several
options alike, it draws one of them, so that a tie of k options that holds the right one is worth 1/k.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from mmad_rag.benchmark.run.arm_retrievers import other_product
from mmad_rag.knowledge import Product, passages_of
from mmad_rag.models.builtin.reader import choice_scores
from mmad_rag.records import Choice, Hit, Knowledge, Question, Route, RouteOutcome
from mmad_rag.words import content_words

_DIGITS = 9  # scores that are equal on paper are equal


class ShortcutName(StrEnum):
    """A rule that answers without the image."""

    LONGEST = "longest"
    """The option of most characters."""
    SHORTEST = "shortest"
    """The option of fewest characters."""
    FIRST = "first"
    """The option that the file lists first."""
    FREQUENT = "frequent letter"
    """The letter that is right most often in the subtask, in the questions about all other images."""
    CENTRAL = "central"
    """The option whose words are most like the others': mean Jaccard index of their sets of content words."""
    READER_TRUE = "reader, true"
    """`builtin:reader` (`mmad_rag.models.builtin.reader`) with everything about the true product."""
    READER_WRONG = "reader, wrong"
    """The same with everything about another product, drawn by the image's path as in the arm `wrong`."""
    READER_ALIKE = "reader, wrong, same dataset"
    """The same with everything about another product of the image's dataset, whose text is alike in style."""
    READER_NONE = "reader, none"
    """The same without knowledge: every option scores alike, so it is at chance, which checks the table."""


Credits = npt.NDArray[np.float64]
"""One credit per question, in order: shape (questions,)."""


def chance_of(questions: Sequence[Question]) -> Credits:
    """One over the number of options."""
    return np.array([1.0 / len(question.choices) for question in questions])


def shortcut_credits(
    questions: Sequence[Question], products: Mapping[str, Product] | None = None
) -> dict[ShortcutName, Credits]:
    """The credit of every shortcut on every question.

    Args:
        questions: Of one benchmark.
        products: Name -> what is known of it; None leaves the readers out. A question about a product that
            is not among them has no true knowledge: that reader is at chance on it. With one product only,
            there is no wrong one to draw, so `reader, wrong` is left out.
    """
    frequent = _letter_counts(questions)
    found = {
        ShortcutName.LONGEST: [_credit(item, _lengths(item)) for item in questions],
        ShortcutName.SHORTEST: [_credit(item, [-size for size in _lengths(item)]) for item in questions],
        ShortcutName.FIRST: [float(item.choices[0].letter == item.answer) for item in questions],
        ShortcutName.FREQUENT: [
            _credit(item, scores) for item, scores in zip(questions, frequent, strict=True)
        ],
        ShortcutName.CENTRAL: [_credit(item, centralities(item.choices)) for item in questions],
    }
    if products is not None:
        found[ShortcutName.READER_TRUE] = _read(questions, [item.product for item in questions], products)
        if len(products) > 1:
            drawn = [other_product(item, tuple(products)) for item in questions]
            found[ShortcutName.READER_WRONG] = _read(questions, drawn, products)
            datasets = {item.product: item.dataset for item in questions}
            alike = [other_product(item, tuple(products), datasets=datasets) for item in questions]
            found[ShortcutName.READER_ALIKE] = _read(questions, alike, products)
        found[ShortcutName.READER_NONE] = [
            _credit(item, choice_scores(item.choices, None)) for item in questions
        ]
    return {name: np.array(credit) for name, credit in found.items()}


def centralities(choices: Sequence[Choice]) -> tuple[float, ...]:
    """Per option the mean Jaccard index of its words with each other option's; two empty sets share nothing.

    Example:
        >>> centralities([Choice("A", "red dot"), Choice("B", "red line"), Choice("C", "hole")])
        (0.166666667, 0.166666667, 0.0)
    """
    words = [frozenset(content_words(choice.text)) for choice in choices]
    return tuple(
        round(
            sum(_jaccard(mine, other) for place, other in enumerate(words) if place != own)
            / (len(words) - 1),
            _DIGITS,
        )
        for own, mine in enumerate(words)
    )


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def _lengths(question: Question) -> list[int]:
    return [len(choice.text) for choice in question.choices]


def _credit(question: Question, scores: Sequence[float]) -> float:
    """1 over the number of best options where the right one is among them."""
    best = max(scores)
    letters = [choice.letter for choice, score in zip(question.choices, scores, strict=True) if score == best]
    return 1.0 / len(letters) if question.answer in letters else 0.0


def _letter_counts(questions: Sequence[Question]) -> list[list[float]]:
    """Per question and option, how often its letter is right in the subtask outside the question's image.

    Its own image is left out because a letter must not be learned from the answer that it is tested on.
    """
    all_of: dict[str, Counter[str]] = defaultdict(Counter)
    own: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for item in questions:
        all_of[item.subtask][item.answer] += 1
        own[item.image_path, item.subtask][item.answer] += 1
    return [
        [
            float(all_of[item.subtask][choice.letter] - own[item.image_path, item.subtask][choice.letter])
            for choice in item.choices
        ]
        for item in questions
    ]


def _read(
    questions: Sequence[Question], read_of: Sequence[str], products: Mapping[str, Product]
) -> list[float]:
    """The reader's credits, each question with the knowledge of the product named beside it."""
    asked: dict[str, list[int]] = defaultdict(list)
    for place, product in enumerate(read_of):
        asked[product].append(place)
    credit = [0.0] * len(questions)
    for product, places in asked.items():
        # One call per product: its passages are counted once, not once per question.
        choices = [choice for place in places for choice in questions[place].choices]
        scores = iter(choice_scores(choices, _everything(products.get(product))))
        for place in places:
            credit[place] = _credit(questions[place], [next(scores) for _ in questions[place].choices])
    return credit


def _everything(product: Product | None) -> Knowledge | None:
    if product is None:
        return None
    route = Route(RouteOutcome.PRODUCT, (), (product.product,), 1.0)
    return Knowledge(route, tuple(Hit(passage, 0.0) for passage in passages_of(product)), "audit")
