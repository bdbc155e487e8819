"""A product's passages laid out for choosing: what does not depend on the question is worked out once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mmad_rag.fields import Field
from mmad_rag.index.data import IndexData
from mmad_rag.prompt import heading_line, passage_line
from mmad_rag.records import NORMAL_ENTRY, Passage
from mmad_rag.retrieve.selection.token_estimate import TokenCounter

_SHELVES_KEPT = 512
_FIELDS = tuple(Field)

IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Shelf:
    """The passages of one product; all arrays have one element per passage unless they say otherwise."""

    rows: tuple[int, ...]
    """In the index, ascending."""
    passages: tuple[Passage, ...]
    """In the same order."""
    normal: npt.NDArray[np.bool_]
    """Whether the passage is of the normal state."""
    fields: IntArray
    """Place of its field in `Field`."""
    depth: IntArray
    """How many passages of its entry and field stand before it."""
    entries: tuple[str, ...]
    """The product's entries, in order of their first passage."""
    entry: IntArray
    """Place of its entry in `entries`."""
    tokens: IntArray
    """Of its line, without the number before it."""
    heading_tokens: IntArray
    """Of the heading above an entry's passages: one element per entry."""


def shelf_of(index: IndexData, product: str, counter: TokenCounter, products: int) -> Shelf:
    """The shelf of a product of the index, kept from call to call.

    Args:
        index: Where the passages are.
        product: Which.
        counter: Counts the tokens of a text.
        products: How many products the prompt is on; of several, each heading names its own.
    """
    return _shelf(_Place(index.passages, index.rows_of_product[product]), counter, products)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where a product's passages are; equal to another only when both are of the very same index."""

    passages: tuple[Passage, ...]
    rows: tuple[int, ...]

    def __hash__(self) -> int:
        return hash((id(self.passages), id(self.rows)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and other.passages is self.passages and other.rows is self.rows


@lru_cache(maxsize=_SHELVES_KEPT)
def _shelf(place: _Place, counter: TokenCounter, products: int) -> Shelf:
    passages = tuple(place.passages[row] for row in place.rows)
    entries = tuple(dict.fromkeys(passage.entry for passage in passages))
    code = {entry: number for number, entry in enumerate(entries)}
    first = {passage.entry: passage for passage in reversed(passages)}
    seen: Counter[tuple[str, Field]] = Counter()
    depth = []
    for passage in passages:
        depth.append(seen[passage.entry, passage.field])
        seen[passage.entry, passage.field] += 1
    return Shelf(
        rows=place.rows,
        passages=passages,
        normal=np.array([passage.entry == NORMAL_ENTRY for passage in passages], np.bool_),
        fields=_ints(_FIELDS.index(passage.field) for passage in passages),
        depth=_ints(depth),
        entries=entries,
        entry=_ints(code[passage.entry] for passage in passages),
        tokens=_ints(counter(f"{passage_line(passage)}\n") for passage in passages),
        heading_tokens=_ints(counter(f"{heading_line(first[entry], products)}\n") for entry in entries),
    )


def _ints(values: Iterable[int]) -> IntArray:
    return np.fromiter(values, np.int64)
