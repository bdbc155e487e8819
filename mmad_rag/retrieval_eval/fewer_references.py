"""The same measurement with fewer reference pictures per product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.build.embed import Progress
from mmad_rag.records import FloatArray
from mmad_rag.retrieval_eval.decide import measure
from mmad_rag.retrieval_eval.figures import Figures
from mmad_rag.retrieval_eval.images import LabelledPicture
from mmad_rag.retrieval_eval.subindex import plain_references, some_references, with_references


@dataclass(frozen=True, slots=True)
class FewerReferences:
    """What remains with so many references."""

    per_product: int
    """At most so many references of each product."""
    references: int
    """How many pictures that are in all."""
    figures: tuple[Figures, ...]
    """Per change and router, then all changes together; a picture that is the last reference left of its
    product does not count, so that the number of pictures may differ."""


def with_fewer_references(
    index: KnowledgeIndex,
    encoder: Encoder,
    pictures: Sequence[LabelledPicture],
    vectors: Mapping[str, FloatArray],
    numbers: Sequence[int],
    *,
    seed: int,
    progress: Progress | None = None,
) -> tuple[FewerReferences, ...]:
    """Repeat everything with a seeded choice of the index's references, per number, thresholds included."""
    found = []
    for done, number in enumerate(numbers, start=1):
        smaller = with_references(index, some_references(index, number, seed=seed))
        measured = measure(smaller, encoder, pictures, vectors)
        found.append(FewerReferences(number, int(plain_references(smaller).sum()), measured.figures()))
        if progress:
            progress("fewer references", done, len(numbers))
    return tuple(found)
