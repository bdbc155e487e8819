"""Choose the passages of a routed product that a question needs, inside a token budget."""

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
from mmad_rag.retrieve.selection.passage_table import Shelf, shelf_of
from mmad_rag.retrieve.selection.question_fields import asked_fields, field_weights, needs_defects
from mmad_rag.retrieve.selection.token_estimate import TokenCounter, estimate_tokens

Similarity: TypeAlias = Callable[[str, Sequence[int]], Sequence[float]]
"""Of a question to passages, given by their rows in the index: values in [0, 1]."""

Scores: TypeAlias = npt.NDArray[np.float64]

DEFAULT_BUDGET = 300
"""Tokens of knowledge per prompt. Of 100, 150, 300 and 600 the reader answers most questions of MMAD rightly
with 300, and 94 of 100 defect questions find their passage (98 with 600); see `benchmarks/selection.py`."""
SIMILARITY_WEIGHT = 0.25
"""Of the similarity to a question that names a field: it chooses within the field rather than against it."""
UNGUIDED_WEIGHT = 2.0
"""Of the similarity to a question whose words name no field: there is little else to go by."""
EVIDENCE_WEIGHT = 0.25
"""What full evidence for a defect adds to its passages: far less than being asked for, so that the other
defects' passages of the field in question still come before what else is known of the likeliest one."""
NORMAL_SHARE = 0.4
"""Of the budget, for the normal state when the question is about defects; the rest is for the defects."""
_DEPTH_COST = 0.15
_FIELDS = tuple(Field)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A passage that was chosen."""

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
    the question (which counts more when its words name no field), plus what the image says of its defect
    (`evidence`), less a little for each earlier passage of the same field. The highest score that fits is
    taken, again and again. When the question is about defects, the normal state has two fifths of the budget
    and the defects the rest before either may use what the other leaves, so that neither pushes the other
    out.

    Args:
        index: Where the passages are.
        products: One product, or two that share the budget in halves.
        question: The question's words.
        similarity: Of the question to passages.
        budget: Tokens of all passages with their numbers and headings (`passages_text`), which is never
            exceeded as `counter` counts; 0 gives nothing. The fence around them costs about 60 more.
        counter: Counts the tokens of a text.
        evidence: Product -> defect id -> how much the image looks like that defect, in [0, 1] (see
            `entry_evidence`). It orders the defects; none is left out for it.
    """
    taken: list[_Taken] = []
    for product in products:
        shelf = shelf_of(index, product, counter, len(products))
        scores = _scores(shelf, question, similarity, (evidence or {}).get(product, {}))
        fill = _Fill(shelf, scores, budget // len(products), counter, len(taken))
        if needs_defects(question):
            share = int(fill.left * NORMAL_SHARE)
            fill.take(share, fill.left - share)
        fill.take(fill.left, fill.left)
        taken += [_Taken(shelf.passages[place], float(scores[place])) for place in sorted(fill.taken)]
    shown = _within(taken, budget, counter, len(products))
    return tuple(Hit(item.passage, round(item.score, 6)) for item in shown)


def _scores(shelf: Shelf, question: str, similarity: Similarity, evidence: Mapping[str, float]) -> Scores:
    """What each passage is worth; -inf where the question has no need of it."""
    normal, defect = (
        np.array([weights.get(field, 0.0) for field in _FIELDS]) for weights in field_weights(question)
    )
    weight = np.where(shelf.normal, normal[shelf.fields], defect[shelf.fields])
    trust = SIMILARITY_WEIGHT if asked_fields(question) else UNGUIDED_WEIGHT
    alike = np.asarray(similarity(question, shelf.rows), np.float64)
    seen = np.array([0.0 if entry == NORMAL_ENTRY else evidence.get(entry, 0.0) for entry in shelf.entries])
    score = weight + trust * alike + EVIDENCE_WEIGHT * seen[shelf.entry] - _DEPTH_COST * shelf.depth
    scores: Scores = np.where(weight > 0, score, -np.inf)
    return scores


class _Fill:
    """Takes passages of one shelf, best first, while they fit."""

    def __init__(self, shelf: Shelf, scores: Scores, budget: int, counter: TokenCounter, before: int) -> None:
        self.taken: list[int] = []
        self.left = budget
        self._shelf = shelf
        self._scores = scores
        self._counter = counter
        self._before = before
        self._open = np.isfinite(scores)
        self._headings = shelf.heading_tokens.copy()
        self._order = np.argsort(-scores, kind="stable")

    def take(self, normal_room: int, defect_room: int) -> None:
        """Take the best that fits into what is left, and into the room of its side, until nothing does."""
        shelf = self._shelf
        while True:
            mark = self._counter(number_mark(self._before + len(self.taken) + 1))
            cost = shelf.tokens + self._headings[shelf.entry] + mark
            room = np.where(shelf.normal, min(normal_room, self.left), min(defect_room, self.left))
            fitting = (self._open & (cost <= room))[self._order]
            if not fitting.any():
                return
            place = int(self._order[fitting.argmax()])
            self.taken.append(place)
            self.left -= int(cost[place])
            if shelf.normal[place]:
                normal_room -= int(cost[place])
            else:
                defect_room -= int(cost[place])
            self._open[place] = False
            self._headings[shelf.entry[place]] = 0


def _within(taken: list[_Taken], budget: int, counter: TokenCounter, products: int) -> list[_Taken]:
    """All that was taken; should the lines cost more together than alone, without the lowest scores."""
    kept = list(taken)
    while kept and counter(passages_text([item.passage for item in kept], products)) > budget:
        del kept[min(range(len(kept)), key=lambda place: (kept[place].score, -place))]
    return kept
