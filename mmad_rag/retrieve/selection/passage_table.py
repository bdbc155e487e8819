"""A product's passages as a table for selection; what does not depend on the question is computed once."""

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
from mmad_rag.words.token_estimate import TokenCounter

_TABLES_KEPT = 512
_FIELDS = tuple(Field)

IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PassageTable:
    """The passages of one product; all arrays have one element per passage unless they say otherwise."""

    rows: tuple[int, ...]
    """Rows of the passages in the index, ascending."""
    passages: tuple[Passage, ...]
    """The passages in the order of `rows`."""
    normal: npt.NDArray[np.bool_]
    """Whether the passage describes the normal state."""
    fields: IntArray
    """Position of the passage's field in `Field`."""
    depth: IntArray
    """Number of earlier passages of the same entry and field."""
    entries: tuple[str, ...]
    """The product's entries, in order of their first passage."""
    entry: IntArray
    """Position of the passage's entry in `entries`."""
    tokens: IntArray
    """Tokens of the passage's line, without the number before it."""
    heading_tokens: IntArray
    """Tokens of the heading above an entry's passages: one element per entry."""


def passage_table(index: IndexData, product: str, counter: TokenCounter, products: int) -> PassageTable:
    """The passage table of one product, cached between calls.

    Args:
        index: The index that holds the passages.
        product: One product of the index's catalogue.
        counter: Counts the tokens of a text.
        products: Number of products in the prompt; with several, each heading names its product.
    """
    return _table(_Place(index.passages, index.rows_of_product[product]), counter, products)


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A product's rows in an index, as a cache key: equal only if both belong to the same index object."""

    passages: tuple[Passage, ...]
    rows: tuple[int, ...]

    def __hash__(self) -> int:
        return hash((id(self.passages), id(self.rows)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Place) and other.passages is self.passages and other.rows is self.rows


@lru_cache(maxsize=_TABLES_KEPT)
def _table(place: _Place, counter: TokenCounter, products: int) -> PassageTable:
    passages = tuple(place.passages[row] for row in place.rows)
    entries = tuple(dict.fromkeys(passage.entry for passage in passages))
    code = {entry: number for number, entry in enumerate(entries)}
    first = {passage.entry: passage for passage in reversed(passages)}
    seen: Counter[tuple[str, Field]] = Counter()
    depth = []
    for passage in passages:
        depth.append(seen[passage.entry, passage.field])
        seen[passage.entry, passage.field] += 1
    return PassageTable(
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
