"""Select the passages of a routed product that a question needs, within a token budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.fields import Field
from mmad_rag.index.data import IndexData
from mmad_rag.prompt import number_mark, passages_text
from mmad_rag.records import NORMAL_ENTRY, Hit, Passage
from mmad_rag.retrieve.selection.passage_table import PassageTable, passage_table
from mmad_rag.retrieve.selection.question_fields import asked_fields, field_weights, needs_defects
from mmad_rag.words.token_estimate import TokenCounter, estimate_tokens

Similarity: TypeAlias = Callable[[str, Sequence[int]], Sequence[float]]
"""(Question, rows of passages in the index) -> similarity of the question to each passage, in [0, 1]."""

Scores: TypeAlias = npt.NDArray[np.float64]

DEFAULT_BUDGET = 300
"""Tokens of knowledge per prompt. Among 100, 150, 300 and 600, the reader answers most questions of MMAD
rightly with 300; 94 of 100 defect questions find their passage, 98 with 600 (`benchmarks/selection.py`)."""
SIMILARITY_WEIGHT = 0.25
"""Weight of the similarity if the question names a field: it ranks passages within the field."""
UNGUIDED_WEIGHT = 2.0
"""Weight of the similarity if the question's words name no field: there is little other evidence."""
EVIDENCE_WEIGHT = 0.25
"""Weight of full evidence for a defect. It is far smaller than the weight of a field that is asked for, so
that other defects' passages of this field come before other passages of the likeliest defect."""
NORMAL_SHARE = 0.4
"""Share of the budget for the normal state if the question is about defects; the defects get the rest."""
_DEPTH_COST = 0.15
_FIELDS = tuple(Field)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A selected passage."""

    passage: Passage
    score: float


def select(
    index: IndexData,
    products: Sequence[str],
    question: str,
    similarity: Similarity,
    *,
    budget: int,
    counter: TokenCounter = estimate_tokens,
    evidence: Mapping[str, Mapping[str, float]] | None = None,
) -> tuple[Hit, ...]:
    """The passages to show for a question, normal state first, then defects, in the files' order.

    A passage's score is the weight of its field for this question (`field_weights`), plus its similarity to
    the question (which counts more when the question's words name no field), plus the image's evidence for
    its defect (`evidence`), less a small cost for each earlier passage of the same field. Passages are taken
    greedily: the highest score that fits comes next. If the question is about defects, two fifths of the
    budget are reserved for the normal state and the rest for the defects; only what one side leaves may be
    used by the other.

    Args:
        index: The index that holds the passages.
        products: One product, or two, each of which gets half of the budget.
        question: The question's words.
        similarity: Similarity of the question to passages.
        budget: Largest number of tokens of all passages with their numbers and headings (`passages_text`), by
            `counter`; it is never exceeded. 0 selects nothing. The fence around them costs about 60 more.
        counter: Counts the tokens of a text.
        evidence: Product -> defect id -> how much the image looks like that defect, in [0, 1] (see
            `DefectEvidence`). It orders the defects and excludes none.
    """
    taken: list[_Taken] = []
    for product in products:
        table = passage_table(index, product, counter, len(products))
        scores = _scores(table, question, similarity, (evidence or {}).get(product, {}))
        fill = _Fill(table, scores, budget // len(products), counter, len(taken))
        if needs_defects(question):
            share = int(fill.left * NORMAL_SHARE)
            fill.take(share, fill.left - share)
        fill.take(fill.left, fill.left)
        taken += [_Taken(table.passages[place], float(scores[place])) for place in sorted(fill.taken)]
    shown = _within(taken, budget, counter, len(products))
    return tuple(Hit(item.passage, round(item.score, 6)) for item in shown)


def _scores(
    table: PassageTable, question: str, similarity: Similarity, evidence: Mapping[str, float]
) -> Scores:
    """The score of each passage; -inf where the question does not need it."""
    normal, defect = (
        np.array([weights.get(field, 0.0) for field in _FIELDS]) for weights in field_weights(question)
    )
    weight = np.where(table.normal, normal[table.fields], defect[table.fields])
    trust = SIMILARITY_WEIGHT if asked_fields(question) else UNGUIDED_WEIGHT
    alike = np.asarray(similarity(question, table.rows), np.float64)
    seen = np.array([0.0 if entry == NORMAL_ENTRY else evidence.get(entry, 0.0) for entry in table.entries])
    score = weight + trust * alike + EVIDENCE_WEIGHT * seen[table.entry] - _DEPTH_COST * table.depth
    scores: Scores = np.where(weight > 0, score, -np.inf)
    return scores


class _Fill:
    """Takes passages of one product, best first, while they fit."""

    def __init__(
        self, table: PassageTable, scores: Scores, budget: int, counter: TokenCounter, before: int
    ) -> None:
        self.taken: list[int] = []
        self.left = budget
        self._table = table
        self._scores = scores
        self._counter = counter
        self._before = before
        self._open = np.isfinite(scores)
        self._headings = table.heading_tokens.copy()
        self._order = np.argsort(-scores, kind="stable")

    def take(self, normal_room: int, defect_room: int) -> None:
        """Take the best passage that fits into the budget left and into its side's share, until none does."""
        table = self._table
        while True:
            mark = self._counter(number_mark(self._before + len(self.taken) + 1))
            cost = table.tokens + self._headings[table.entry] + mark
            room = np.where(table.normal, min(normal_room, self.left), min(defect_room, self.left))
            fitting = (self._open & (cost <= room))[self._order]
            if not fitting.any():
                return
            place = int(self._order[fitting.argmax()])
            self.taken.append(place)
            self.left -= int(cost[place])
            if table.normal[place]:
                normal_room -= int(cost[place])
            else:
                defect_room -= int(cost[place])
            self._open[place] = False
            self._headings[table.entry[place]] = 0


def _within(taken: list[_Taken], budget: int, counter: TokenCounter, products: int) -> list[_Taken]:
    """The passages taken; the lowest scores are dropped if the lines cost more together than separately."""
    kept = list(taken)
    while kept and counter(passages_text([item.passage for item in kept], products)) > budget:
        del kept[min(range(len(kept)), key=lambda place: (kept[place].score, -place))]
    return kept
