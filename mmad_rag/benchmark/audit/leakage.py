"""How far a knowledge base says the right option's words more than the distractors'.

The overlap of an option with an entry is the share of the option's distinct content words that stand in the
entry's title or passages. The leak of a question is the overlap of the right option less the mean overlap
of the others, in percentage points: 0 where the words tell nothing, 100 where only the right option's words
stand there. A question about the object is held against the product's normal entry, one about a defect
against the entry of the image's label, or against all defects together where no entry has that label, and one
of a column that does not say which of both its questions are about against all entries together. The
detection column is left out: "Yes." and "No." have no content words. A high leak is not a fault as such:
knowledge that is right says what is right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from mmad_rag.benchmark.data.columns import Subject
from mmad_rag.benchmark.data.question_sets import columns_of
from mmad_rag.benchmark.stats.estimate import Estimate
from mmad_rag.benchmark.stats.resample import (
    averages_over,
    drawn_images,
    every_image_once,
    interval_of,
    strata_of,
)
from mmad_rag.knowledge import Product, passages_of
from mmad_rag.records import NORMAL_ENTRY, Choice, Question
from mmad_rag.words import content_words

ANY_DEFECT = "(all defects)"
"""Stands for an entry where no entry has the image's label."""

ANY_ENTRY = "(all entries)"
"""Stands for an entry where a question may be about the object or about a defect."""


@dataclass(frozen=True, slots=True)
class EntryLeak:
    """The leak of one entry: the mean over its questions, in percentage points."""

    product: str
    """MMAD's category name."""
    entry: str
    """`normal`, the id of a defect, `ANY_DEFECT` or `ANY_ENTRY`."""
    questions: int
    """Held against the entry."""
    leak: float
    """Percentage points in [-100, 100]."""


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What a knowledge base gives away by its words."""

    columns: tuple[Estimate, ...]
    """The leak in percentage points, mean over datasets, images drawn with replacement: columns that have
    questions, then `Average`."""
    entries: tuple[EntryLeak, ...]
    """Every entry that has questions, worst first."""
    questions: int
    """That were held against an entry."""
    left_out: int
    """Questions outside the detection column about products that the base does not hold."""


def leak_report(
    questions: Sequence[Question], products: Mapping[str, Product], *, replicates: int, seed: int = 0
) -> LeakReport:
    """Hold every question's options against the entry that it is about.

    Args:
        questions: Of one benchmark.
        products: Name -> what is known of it.
        replicates: Bootstrap draws, at least 1.
        seed: Of the draws.
    """
    columns = columns_of(questions)
    subjects = {column.name: column.subject for column in columns.each}
    asked = [item for item in questions if item.subtask != columns.detection]
    known = [item for item in asked if item.product in products]
    if not known:
        return LeakReport((), (), 0, len(asked))

    @cache
    def words_of(product: str, entry: str) -> frozenset[str]:
        return _words(products[product], entry)

    leaks: list[float] = []
    by_entry: dict[tuple[str, str], list[float]] = defaultdict(list)
    for item in known:
        entry = _entry_of(item, products[item.product], subjects[item.subtask])
        leaks.append(_leak(item, words_of(item.product, entry)))
        by_entry[item.product, entry].append(100 * leaks[-1])
    strata = strata_of(known, np.array(leaks)[:, None], columns)
    observed = averages_over(strata, [every_image_once(strata)])[0][0]
    drawn = averages_over(strata, drawn_images(strata, replicates, seed))[0]
    values = [
        Estimate(column, float(observed[place]), *interval_of(drawn[:, place]))
        for place, column in enumerate(columns.with_average)
        if not np.isnan(observed[place])
    ]
    entries = [EntryLeak(*place, len(each), float(np.mean(each))) for place, each in by_entry.items()]
    entries.sort(key=lambda item: (-item.leak, item.product, item.entry))
    return LeakReport(tuple(values), tuple(entries), len(known), len(asked) - len(known))


def _entry_of(question: Question, product: Product, subject: Subject | None) -> str:
    if subject is None:
        return ANY_ENTRY
    if subject is Subject.OBJECT:
        return NORMAL_ENTRY
    found = (defect.id for defect in product.defects if question.label in defect.folders)
    return next(found, ANY_DEFECT)


def _words(product: Product, entry: str) -> frozenset[str]:
    passages = [
        passage
        for passage in passages_of(product)
        if entry in (passage.entry, ANY_ENTRY) or (entry == ANY_DEFECT and passage.entry != NORMAL_ENTRY)
    ]
    texts = [text for passage in passages for text in (passage.title, passage.text)]
    return frozenset(word for text in texts for word in content_words(text))


def _leak(question: Question, words: frozenset[str]) -> float:
    overlaps = {choice.letter: _overlap(choice, words) for choice in question.choices}
    right = overlaps.pop(question.answer)
    return right - sum(overlaps.values()) / len(overlaps)


def _overlap(choice: Choice, words: frozenset[str]) -> float:
    mine = frozenset(content_words(choice.text))
    return len(mine & words) / len(mine) if mine else 0.0
