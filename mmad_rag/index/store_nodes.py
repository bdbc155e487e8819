"""The nodes that a vector store is given of an index."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from mmad_rag.index.knowledge_index import KnowledgeIndex
from mmad_rag.index.vector_store_search import Kind
from mmad_rag.records import FloatArray

if TYPE_CHECKING:
    from llama_index.core.schema import TextNode


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one kind."""

    kind: Kind
    """Never `Kind.STAMP`."""
    vectors: FloatArray
    """Shape (n, d)."""
    products: tuple[str, ...]
    """Of each row."""
    texts: tuple[str, ...]
    """What others who read the store see of each row; nothing is decided from it."""

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.vectors.shape[1])


@dataclass(frozen=True)
class Load:
    """All that one store holds."""

    parts: tuple[Part, ...]
    """At least one, all with vectors of one length."""

    @cached_property
    def stamp(self) -> str:
        """SHA-256 (hex) over everything that the store is given, and over nothing else of the index."""
        digest = hashlib.sha256()
        for part in self.parts:
            head = [part.kind, part.vectors.shape, part.products, part.texts]
            digest.update(json.dumps(head).encode())
            digest.update(np.ascontiguousarray(part.vectors, np.float32).tobytes())
        return digest.hexdigest()

    @cached_property
    def ids(self) -> dict[Kind, tuple[str, ...]]:
        """The node of every row."""
        return {
            part.kind: tuple(self._node_id(part.kind, row) for row in range(len(part.vectors)))
            for part in self.parts
        }

    @cached_property
    def row_ids(self) -> frozenset[str]:
        """Those of all kinds together."""
        return frozenset(node_id for rows in self.ids.values() for node_id in rows)

    @property
    def stamp_id(self) -> str:
        """The node that tells what the store holds."""
        return self._node_id(Kind.STAMP, 0)

    @property
    def stamp_vector(self) -> FloatArray:
        """Any direction, shape (d,): stores need one of every node."""
        vector = np.zeros(self.parts[0].dim, np.float32)
        vector[0] = 1.0
        return vector

    def nodes(self) -> Iterator[TextNode]:
        """One node per row, the stamp last: a store without it was not filled to the end."""
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
        """A UUID, because Qdrant takes nothing else; the same row of the same vectors has the same one."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"mmad_rag/{self.stamp}/{kind}/{row}"))


def picture_parts(index: KnowledgeIndex) -> tuple[Part, Part]:
    """What pictures are compared with: keys and references."""
    return (
        _part(Kind.KEY, index.key_vectors, [(key.product, key.text) for key in index.keys]),
        _part(
            Kind.REFERENCE,
            index.reference_vectors,
            [(reference.product, reference.name) for reference in index.references],
        ),
    )


def passage_part(index: KnowledgeIndex) -> Part | None:
    """What questions are compared with; None when passages are found by their words."""
    if index.passage_vectors is None:
        return None
    rows = [(passage.product, passage.text) for passage in index.passages]
    return _part(Kind.PASSAGE, index.passage_vectors, rows)


def _part(kind: Kind, vectors: FloatArray, rows: Sequence[tuple[str, str]]) -> Part:
    """From (product, text) of each row."""
    return Part(kind, vectors, tuple(product for product, _ in rows), tuple(text for _, text in rows))
