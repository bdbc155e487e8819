"""Choose the passages of a routed product that a question needs, inside a token budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from mmad_rag.index import KnowledgeIndex
from mmad_rag.records import NORMAL_ENTRY, Field, Hit, Passage
from mmad_rag.retrieve.need import field_weights
from mmad_rag.retrieve.tokens import estimate_tokens

Similarity: TypeAlias = Callable[[str, Sequence[int]], Sequence[float]]
"""Of a question to passages, given by their rows in the index: values in [0, 1]."""

DEFAULT_BUDGET = 600
"""Tokens of knowledge per prompt: most of one product, far less than one picture costs."""
_LINE_OVERHEAD = 4
_HEADING_OVERHEAD = 4
_DEPTH_COST = 0.15
_NORMAL_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class _Scored:
    """A passage with what it is worth and what it costs."""

    row: int
    passage: Passage
    score: float
    tokens: int


def select(
    index: KnowledgeIndex, products: Sequence[str], question: str, similarity: Similarity, *, budget: int
) -> tuple[Hit, ...]:
    """The passages to show for a question, normal state first, then defects, in the files' order.

    A passage's score is the weight of its field for this question (`field_weights`) plus its similarity to
    the question, less a little for each earlier passage of the same field. The highest scores are taken while
    they fit. When the question is about defects, the normal state may use at most two fifths of the budget
    before every defect was considered, so that neither pushes the other out.

    Args:
        index: Where the passages are.
        products: One product, or two that share the budget in halves.
        question: The question's words.
        similarity: Of the question to passages.
        budget: Tokens, estimated (`estimate_tokens`), of all passages with their headings; 0 gives nothing.
            The fence around them costs about 60 more.
    """
    hits: list[Hit] = []
    for product in products:
        scored = _scored(index, product, question, similarity)
        taken = _fill(scored, budget // len(products), bool(field_weights(question)[1][Field.APPEARANCE]))
        hits += [Hit(item.passage, round(item.score, 6)) for item in sorted(taken, key=lambda item: item.row)]
    return tuple(hits)


def _scored(index: KnowledgeIndex, product: str, question: str, similarity: Similarity) -> list[_Scored]:
    normal, defect = field_weights(question)
    rows = index.rows_of_product[product]
    similarities = similarity(question, rows)
    depth: dict[tuple[str, Field], int] = {}
    scored: list[_Scored] = []
    for row, alike in zip(rows, similarities, strict=True):
        passage = index.passages[row]
        weights: Mapping[Field, float] = normal if passage.entry == NORMAL_ENTRY else defect
        weight = weights[passage.field]
        place = depth.get((passage.entry, passage.field), 0)
        depth[passage.entry, passage.field] = place + 1
        if weight > 0:
            tokens = estimate_tokens(passage.text) + _LINE_OVERHEAD
            scored.append(_Scored(row, passage, weight + alike - _DEPTH_COST * place, tokens))
    return sorted(scored, key=lambda item: (-item.score, item.row))


def _fill(scored: Sequence[_Scored], budget: int, about_defects: bool) -> list[_Scored]:
    """Take from the best while it fits: first with a cap on the normal state, then whatever room is left."""
    taken: dict[int, _Scored] = {}
    headed: set[str] = set()
    used = normal_used = 0
    cap = int(budget * _NORMAL_SHARE) if about_defects else budget
    for capped in (True, False):
        for item in scored:
            passage = item.passage
            heading = 0 if passage.entry in headed else estimate_tokens(passage.title) + _HEADING_OVERHEAD
            cost = item.tokens + heading
            is_normal = passage.entry == NORMAL_ENTRY
            over_cap = capped and is_normal and normal_used + cost > cap
            if item.row in taken or used + cost > budget or over_cap:
                continue
            taken[item.row] = item
            headed.add(passage.entry)
            used += cost
            normal_used += cost if is_normal else 0
    return list(taken.values())
