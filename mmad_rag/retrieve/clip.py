"""The retriever of an index: route the picture, then select passages."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, IndexMismatchError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.embed import unit
from mmad_rag.index.manifest import EncoderStamp
from mmad_rag.records import FloatArray, Knowledge, Picture, Route, RouteOutcome
from mmad_rag.retrieve.route import route
from mmad_rag.retrieve.select import DEFAULT_BUDGET, Similarity, select
from mmad_rag.retrieve.similarity import vector_similarity, word_similarity

_VECTORS_KEPT = 20_000


class ClipRetriever:
    """Looks up knowledge for the product that it sees in the picture.

    Safe to use from several threads; every picture is embedded once.

    Args:
        index: What to look things up in.
        encoder: The encoder that built the index, a spec that loads it (when its file has moved), or None to
            load it by the spec in the manifest.
        text_encoder: Likewise for passages, where the index has another one for them.
        budget: Estimated tokens of knowledge per prompt.

    Raises:
        IndexMismatchError: an encoder's fingerprint is not the one that built the index.
    """

    def __init__(
        self,
        index: KnowledgeIndex,
        *,
        encoder: Encoder | str | None = None,
        text_encoder: Encoder | str | None = None,
        budget: int = DEFAULT_BUDGET,
    ) -> None:
        self.index = index
        self.budget = budget
        self._encoder = _matching(index.manifest.encoder, encoder)
        self._text_encoder = text_encoder
        self._vectors: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """Index, budget and kind of retriever."""
        return f"clip(index={self.index.fingerprint[:16]},budget={self.budget})"

    def retrieve(
        self, question: str, picture: Picture | None, references: Sequence[Picture] = ()
    ) -> Knowledge:
        """Route the picture and select passages; without a picture nothing is found.

        Further pictures of the product count together as much as the query picture.
        """
        found = self.route(picture, references) if picture is not None else _NOTHING
        with self._lock:
            hits = select(self.index, found.products, question, self._similarity, budget=self.budget)
        return Knowledge(found, hits, self.index.fingerprint)

    def route(self, picture: Picture, references: Sequence[Picture] = ()) -> Route:
        """Only the first stage: which product is it?"""
        vector = self._vector(picture)
        if references:
            others = unit(np.mean([self._vector(reference) for reference in references], axis=0)[None])[0]
            vector = unit((vector + others)[None])[0]
        return route(self.index, vector, {item.digest for item in (picture, *references)})

    def _vector(self, picture: Picture) -> FloatArray:
        """The picture's vector, shape (d,)."""
        with self._lock:
            known = self._vectors.get(picture.digest)
            if known is None:
                if self._encoder.images is None:
                    raise EncoderError(
                        f"the encoder {self._encoder.spec} has no image tower; it cannot route"
                    )
                known = self._encoder.images.encode_images([picture])[0]
                self._vectors[picture.digest] = known
                if len(self._vectors) > _VECTORS_KEPT:
                    self._vectors.popitem(last=False)
            return known

    @cached_property
    def _similarity(self) -> Similarity:
        return passage_similarity(self.index, self._encoder, self._text_encoder)


def passage_similarity(
    index: KnowledgeIndex, encoder: Encoder | None, text_encoder: Encoder | str | None
) -> Similarity:
    """By vectors where the index has them for passages, else by words."""
    stamp = index.manifest.text_encoder
    if stamp is None:
        return word_similarity(index)
    if text_encoder is None and encoder is not None and encoder.fingerprint == stamp.fingerprint:
        return vector_similarity(index, encoder)
    return vector_similarity(index, _matching(stamp, text_encoder))


_NOTHING = Route(RouteOutcome.UNKNOWN, (), (), 0.0)


def _matching(stamp: EncoderStamp, encoder: Encoder | str | None) -> Encoder:
    """The encoder of a stamp, loaded if need be."""
    loaded = load_encoder(encoder or stamp.spec) if not isinstance(encoder, Encoder) else encoder
    if loaded.fingerprint != stamp.fingerprint:
        raise IndexMismatchError(
            f"the index was built by {stamp.spec} ({stamp.fingerprint[:12]}), not by {loaded.spec} "
            f"({loaded.fingerprint[:12]}); use that encoder, or build the index again with "
            f"`mmad-rag build-index KNOWLEDGE --encoder {loaded.spec}`"
        )
    return loaded
