"""Search rows that a LlamaIndex vector store proposes, scored by the index's own vectors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mmad_rag.errors import IndexMismatchError, MmadRagError
from mmad_rag.index.search import check_shape
from mmad_rag.records import FloatArray

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import BasePydanticVectorStore


class Kind(StrEnum):
    """What a row of a vector store is; the metadata of its node say it under `kind`."""

    KEY = "key"
    REFERENCE = "reference"
    PASSAGE = "passage"
    STAMP = "stamp"
    """The one node, added last, that tells which vectors the store holds."""


@dataclass(frozen=True)
class StoreSearch:
    """Rows of one kind that can be searched in a vector store.

    The store only proposes rows. What it reports as similarity is not read, because stores report distances,
    or scale their scores, each in its own way: the cosines are computed here from the index's own vectors.
    """

    store: BasePydanticVectorStore
    """Holds the rows under `ids`, with their kind in the metadata."""
    kind: Kind
    """Which of the store's rows these are."""
    vectors: FloatArray
    """Shape (n, d), unit length, finite: what the store was filled with."""
    ids: tuple[str, ...]
    """The node of every row, n of them."""

    def search(self, query: FloatArray, k: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """The `k` nearest rows of one query vector of shape (d,), best first, as `VectorSearch.search`.

        Which of several equally near rows are the last of the `k` is the store's choice.

        Returns:
            Row numbers of shape (m,) with m = min(k, n), and their cosines of the same shape. Ties keep the
            order of the rows.

        Raises:
            IndexMismatchError: the query has another length than the rows; or the store failed, gave back
                fewer rows than there are, a row twice, or something that is no row of this index.
        """
        check_shape(query, self.vectors)
        k = min(k, len(self.ids))
        if k == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        with store_errors(self.store, "could not be searched"):
            found = ask(self.store, query, k, self.kind)
        rows = np.sort(self._rows(found, k))
        # In double precision equal rows have equal scores, wherever they stand.
        scores = (self.vectors[rows].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        order = np.lexsort((rows, -scores))
        return rows[order], scores[order]

    def _rows(self, found: list[str], k: int) -> npt.NDArray[np.int64]:
        foreign = [node_id for node_id in found if node_id not in self._row_of_id]
        if foreign:
            raise IndexMismatchError(
                f"{described(self.store)} gave back the node {foreign[0]}, which is no {self.kind} of this "
                "index; something else writes to it: hold the index in a store of its own"
            )
        rows = {self._row_of_id[node_id] for node_id in found}
        if len(rows) != k:
            raise IndexMismatchError(
                f"{described(self.store)} gave back {len(rows)} rows of kind {self.kind} where {k} were "
                "asked for; rows were deleted, or it caps its answers: raise its limit or its search depth, "
                "or empty it and hold the index again"
            )
        return np.fromiter(rows, np.int64, len(rows))

    @cached_property
    def _row_of_id(self) -> dict[str, int]:
        return {node_id: row for row, node_id in enumerate(self.ids)}


def ask(store: BasePydanticVectorStore, vector: FloatArray, k: int, kind: Kind | None) -> list[str]:
    """The ids of the `k` nodes that a store finds nearest, of one kind or of any; its errors are its own."""
    from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery

    wanted = None if kind is None else MetadataFilters(filters=[MetadataFilter(key="kind", value=kind.value)])
    query = VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=k, filters=wanted)
    result = store.query(query)
    if result.ids is not None:
        return list(result.ids)
    return [node.node_id for node in result.nodes or ()]


@contextmanager
def store_errors(store: BasePydanticVectorStore, what: str) -> Iterator[None]:
    """Turn the errors of a store into ours; `what` says what could not be done."""
    try:
        yield
    except MmadRagError:
        raise
    except Exception as error:  # every store has its own errors
        raise IndexMismatchError(
            f"{described(store)} {what} ({type(error).__name__}: {error}); check that it can be reached, "
            "that it honours metadata filters, and that its vectors have the length of the index's"
        ) from error


def described(store: BasePydanticVectorStore) -> str:
    """A store's kind, for messages: its address may hold a key and is not shown."""
    return f"the vector store {type(store).__name__}"
