"""Search rows that a LlamaIndex vector store proposes, scored by the index's own vectors."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mmad_rag.errors import IndexMismatchError, MmadRagError
from mmad_rag.index.data import IndexData
from mmad_rag.index.search import check_shape
from mmad_rag.records import FloatArray

if TYPE_CHECKING:
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores.types import BasePydanticVectorStore


class Kind(StrEnum):
    """The kind of a row in a vector store, held in its node's metadata under `kind`."""

    KEY = "key"
    REFERENCE = "reference"
    PASSAGE = "passage"
    STAMP = "stamp"
    """The single node, added last, that identifies the vectors that the store holds."""


@dataclass(frozen=True)
class StoreSearch:
    """Searches the rows of one kind in a vector store.

    The store only proposes rows. Its similarities are not used, because stores report distances or scale
    their scores, each in its own way: the cosines are computed here from the index's own vectors.
    """

    store: BasePydanticVectorStore
    """The vector store, which holds the rows under `ids`, with their kind in the metadata."""
    kind: Kind
    """The kind of rows that are searched."""
    vectors: FloatArray
    """The vectors with which the store was filled, shape (n, d), unit length, finite."""
    ids: tuple[str, ...]
    """Node id of every row, n of them."""

    def search(self, query: FloatArray, k: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """The `k` nearest rows of one query vector of shape (d,), best first, as by `VectorSearch.search`.

        If several rows tie for the last of the `k` places, the store decides which are returned.

        Returns:
            Row numbers of shape (m,) with m = min(k, n), and their cosines of the same shape. Ties keep the
            order of the rows.

        Raises:
            IndexMismatchError: the query has another length than the rows; or the store failed, gave back
                fewer rows than there are, a row twice, or something that is not a row of this index.
        """
        check_shape(query, self.vectors)
        k = min(k, len(self.ids))
        if k == 0:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        with store_errors(self.store, "could not be searched"):
            found = ask(self.store, query, k, self.kind)
        rows = np.sort(self._rows(found, k))
        # In double precision equal rows have equal scores, whatever their position.
        scores = (self.vectors[rows].astype(np.float64) @ query.astype(np.float64)).astype(np.float32)
        order = np.lexsort((rows, -scores))
        return rows[order], scores[order]

    def _rows(self, found: list[str], k: int) -> npt.NDArray[np.int64]:
        foreign = [node_id for node_id in found if node_id not in self._row_of_id]
        if foreign:
            raise IndexMismatchError(
                f"{described(self.store)} gave back the node {foreign[0]}, which is not a {self.kind} of "
                "this index; something else writes to it: hold the index in a store of its own"
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
    """The ids of the `k` nodes that a store finds nearest, of one kind or of any; the store's errors pass."""
    from llama_index.core.vector_stores.types import MetadataFilter, MetadataFilters, VectorStoreQuery

    wanted = None if kind is None else MetadataFilters(filters=[MetadataFilter(key="kind", value=kind.value)])
    query = VectorStoreQuery(query_embedding=vector.tolist(), similarity_top_k=k, filters=wanted)
    result = store.query(query)
    if result.ids is not None:
        return list(result.ids)
    return [node.node_id for node in result.nodes or ()]


@contextmanager
def store_errors(store: BasePydanticVectorStore, what: str) -> Iterator[None]:
    """Convert the errors of a store into ours; `what` names the operation that failed."""
    try:
        yield
    except MmadRagError:
        raise
    except Exception as error:  # every store raises its own kinds of errors
        raise IndexMismatchError(
            f"{described(store)} {what} ({type(error).__name__}: {error}); check that it can be reached, "
            "that it honours metadata filters, and that its vectors have the length of the index's"
        ) from error


def described(store: BasePydanticVectorStore) -> str:
    """A store's class, for messages; its address may hold a key and is not shown."""
    return f"the vector store {type(store).__name__}"


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one kind."""

    kind: Kind
    """The kind of the rows, never `Kind.STAMP`."""
    vectors: FloatArray
    """Vectors of the rows, shape (n, d)."""
    products: tuple[str, ...]
    """Product of each row."""
    texts: tuple[str, ...]
    """Text of each row for other readers of the store; this library does not use it."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True)
class Load:
    """All that one store holds."""

    parts: tuple[Part, ...]
    """The parts, at least one; the vectors of all have the same length."""

    @cached_property
    def stamp(self) -> str:
        """SHA-256 (hex) over everything that the store is given, and nothing else of the index."""
        digest = hashlib.sha256()
        for part in self.parts:
            head = [part.kind, part.vectors.shape, part.products, part.texts]
            digest.update(json.dumps(head).encode())
            digest.update(np.ascontiguousarray(part.vectors, np.float32).tobytes())
        return digest.hexdigest()

    @cached_property
    def ids(self) -> dict[Kind, tuple[str, ...]]:
        """Kind -> node id of every row."""
        return {
            part.kind: tuple(self._node_id(part.kind, row) for row in range(len(part.vectors)))
            for part in self.parts
        }

    @cached_property
    def row_ids(self) -> frozenset[str]:
        """The node ids of the rows of all kinds."""
        return frozenset(node_id for rows in self.ids.values() for node_id in rows)

    @property
    def stamp_id(self) -> str:
        """Id of the node that identifies what the store holds."""
        return self._node_id(Kind.STAMP, 0)

    @property
    def stamp_vector(self) -> FloatArray:
        """An arbitrary vector for the stamp's node, shape (d,): stores need a vector for every node."""
        vector = np.zeros(self.parts[0].dim, np.float32)
        vector[0] = 1.0
        return vector

    def nodes(self) -> Iterator[TextNode]:
        """One node per row, then the stamp: a store without the stamp was not filled completely."""
        from llama_index.core.schema import TextNode

        for part in self.parts:
            for row, (product, text) in enumerate(zip(part.products, part.texts, strict=True)):
                yield TextNode(
                    id_=self.ids[part.kind][row],
                    text=text,
                    embedding=part.vectors[row].tolist(),
                    metadata={"product": product, "row": row, "kind": part.kind.value, "index": self.stamp},
                )
        yield TextNode(
            id_=self.stamp_id,
            text=f"The vectors {self.stamp} of an mmad_rag index are all here.",
            embedding=self.stamp_vector.tolist(),
            metadata={"product": "", "row": 0, "kind": Kind.STAMP.value, "index": self.stamp},
        )

    def _node_id(self, kind: Kind, row: int) -> str:
        """A UUID, because Qdrant takes no other ids; the same row of the same vectors has the same one."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"mmad_rag/{self.stamp}/{kind}/{row}"))


def image_parts(index: IndexData) -> tuple[Part, Part]:
    """The parts that images are compared with: keys and references."""
    return (
        _part(Kind.KEY, index.key_vectors, [(key.product, key.text) for key in index.keys]),
        _part(
            Kind.REFERENCE,
            index.reference_vectors,
            [(reference.product, reference.name) for reference in index.references],
        ),
    )


def passage_part(index: IndexData) -> Part | None:
    """The part that questions are compared with; None when passages are found by their words."""
    if index.passage_vectors is None:
        return None
    rows = [(passage.product, passage.text) for passage in index.passages]
    return _part(Kind.PASSAGE, index.passage_vectors, rows)


def _part(kind: Kind, vectors: FloatArray, rows: Sequence[tuple[str, str]]) -> Part:
    """A part made from the vectors and the (product, text) of each row."""
    return Part(kind, vectors, tuple(product for product, _ in rows), tuple(text for _, text in rows))
