"""The retriever of an index: route the image, then select passages."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import numpy as np

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, IndexMismatchError, InputError
from mmad_rag.index.build.embed import unit
from mmad_rag.index.data import IndexData
from mmad_rag.index.manifest import EncoderStamp
from mmad_rag.index.named_encoder import chosen_by_index
from mmad_rag.index.search import check_shape
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.records import EncodedImage, FloatArray, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve.routing.defect_evidence import DefectEvidence
from mmad_rag.retrieve.routing.router import Router
from mmad_rag.retrieve.routing.tie_break import PairwiseTieBreak
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET, Similarity, select
from mmad_rag.retrieve.selection.similarity import both_similarities, vector_similarity, word_similarity
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter

_VECTORS_KEPT = 20_000


LONGEST_QUESTION = 4000
"""Passages are chosen by the last characters of a question, at most this many; a model is shown all of it."""


class ClipRetriever:
    """Looks up knowledge about the product that the image shows.

    Safe to use from several threads; every image is embedded once.

    Args:
        index: The index to search.
        encoder: The encoder that built the index, a spec that loads it (when its file has moved), or None to
            load it by the spec in the manifest.
        text_encoder: The encoder of passages, given in the same way, where the index has a separate one.
        budget: Largest number of tokens of knowledge per prompt.
        counter: Counts the tokens; see `token_counter`.

    Raises:
        IndexMismatchError: an encoder's fingerprint is not the one that built the index.
    """

    def __init__(
        self,
        index: IndexData,
        *,
        encoder: Encoder | str | None = None,
        text_encoder: Encoder | str | None = None,
        budget: int = DEFAULT_BUDGET,
        counter: NamedCounter = ESTIMATE,
    ) -> None:
        self.index = index
        self.budget = budget
        self.counter = counter
        """Counts the tokens of knowledge, unless a call brings its own."""
        self._encoder = _matching(index.manifest.encoder, encoder)
        self._text_encoder = text_encoder
        self._router = Router(index, PairwiseTieBreak(index, self._encoder))
        self._defects = DefectEvidence(index)
        self._vectors: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = threading.Lock()
        self._embedding = threading.Lock()  # its own, so that selecting never waits for an image

    @property
    def identity(self) -> str:
        """The index, the budget, the token counter and the kind of retriever, in one line."""
        return f"clip(index={self.index.fingerprint[:16]},budget={self.budget}{self.counter.setting})"

    @property
    def selects_by_words(self) -> bool:
        """Whether passages are found by their words, which needs no encoder and takes half a millisecond."""
        return self.index.manifest.text_encoder is None

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        """Route the image and select passages; without an image nothing is found.

        Further images of the product count together as much as the query image.
        """
        if image is None:
            return self._selected(question, _NOTHING, None, frozenset())
        digests = _digests(image, references)
        vector = self.vector(image, references)
        return self._selected(question, self._router.route(vector, digests), vector, digests)

    def retrieve_vector(
        self, question: str, vector: FloatArray, own_digests: Collection[str] = ()
    ) -> Knowledge:
        """Find passages as `retrieve` does, given an image's vector instead of the image.

        Args:
            question: The question's words.
            vector: The image's vector by the encoder of the index, shape (d,), of any length above zero.
            own_digests: SHA-256 (hex) of the image's bytes, if they are known: references with these bytes
                are the query image itself, which is not evidence.

        Raises:
            IndexMismatchError: the vector has another shape.
            InputError: the vector is zero, or holds values that are not finite.
        """
        direction = _direction(vector, self.index)
        return self._selected(question, self._router.route(direction, own_digests), direction, own_digests)

    def retrieve_routed(
        self,
        question: str,
        route: Route,
        vector: FloatArray,
        own_digests: Collection[str] = (),
        *,
        counter: NamedCounter | None = None,
    ) -> Knowledge:
        """Run the second stage only: select passages for an image that was routed before.

        Args:
            question: The question's words.
            route: The route that `route` or `route_vector` found for the image.
            vector: The image's vector, as `vector` returns it.
            own_digests: SHA-256 (hex) of the image's bytes, as for `retrieve_vector`.
            counter: Counts the tokens instead of the retriever's, for a request to another model.
        """
        return self._selected(question, route, vector, own_digests, counter)

    def route(self, image: EncodedImage, references: Sequence[EncodedImage] = ()) -> Route:
        """Run the first stage only: find the product that the image shows."""
        return self._router.route(self.vector(image, references), _digests(image, references))

    def route_vector(self, vector: FloatArray, own_digests: Collection[str] = ()) -> Route:
        """Find the product as `route` does, given an image's vector instead of the image.

        Args:
            vector: The image's vector by the encoder of the index, shape (d,), of any length above zero.
            own_digests: SHA-256 (hex) of the image's bytes: references with these bytes are the query image
                itself, which is not evidence.

        Raises:
            IndexMismatchError: the vector has another shape.
            InputError: the vector is zero, or holds values that are not finite.
        """
        return self._router.route(_direction(vector, self.index), own_digests)

    def vector(self, image: EncodedImage, references: Sequence[EncodedImage] = ()) -> FloatArray:
        """The image in the index's space, shape (d,), unit length.

        Further images of the product count together as much as the image itself.
        """
        own = self._embedded(image)
        if not references:
            return own
        others = unit(np.mean([self._embedded(reference) for reference in references], axis=0)[None])[0]
        joined: FloatArray = unit((own + others)[None])[0]
        return joined

    def _selected(
        self,
        question: str,
        found: Route,
        vector: FloatArray | None,
        digests: Collection[str],
        counter: NamedCounter | None = None,
    ) -> Knowledge:
        question = question[-LONGEST_QUESTION:]
        with self._lock:
            hits = select(
                self.index,
                found.products,
                question,
                self._similarity,
                budget=self.budget,
                counter=counter or self.counter,
                evidence=self._evidence(found.products, vector, digests),
            )
        return Knowledge(found, hits, self.index.fingerprint)

    def evidence(
        self, product: str, image: EncodedImage, references: Sequence[EncodedImage] = ()
    ) -> Mapping[str, float]:
        """Defect of a product -> how much the image looks like it, in [0, 1]; see `DefectEvidence`."""
        if not self._defects:
            return {}
        return self._defects.of(product, self.vector(image, references), _digests(image, references))

    def _evidence(
        self, products: Sequence[str], vector: FloatArray | None, digests: Collection[str]
    ) -> Mapping[str, Mapping[str, float]]:
        if vector is None or not self._defects:
            return {}
        return {product: self._defects.of(product, vector, digests) for product in products}

    def _embedded(self, image: EncodedImage) -> FloatArray:
        # hash the bytes and do not use the image's digest: an altered image keeps the digest of its original
        shown = hashlib.sha256(image.data).hexdigest()
        with self._embedding:
            known = self._vectors.get(shown)
            if known is None:
                if self._encoder.images is None:
                    raise EncoderError(
                        f"the encoder {self._encoder.spec} has no image tower; it cannot route"
                    )
                seen = self._encoder.images.encode_images([view_of(image, WHOLE)])[0]
                known = _direction(seen, self.index)
                self._vectors[shown] = known
                if len(self._vectors) > _VECTORS_KEPT:
                    self._vectors.popitem(last=False)
            return known

    @cached_property
    def _similarity(self) -> Similarity:
        return passage_similarity(self.index, self._encoder, self._text_encoder)


def passage_similarity(
    index: IndexData, encoder: Encoder | None, text_encoder: Encoder | str | None
) -> Similarity:
    """The similarity of questions to passages: by vectors if the index has passage vectors (with words beside
    them, see `both_similarities`), else by words."""
    stamp = index.manifest.text_encoder
    if stamp is None:
        return word_similarity(index)
    own = text_encoder is None and encoder is not None and encoder.fingerprint == stamp.fingerprint
    chosen = encoder if own and encoder is not None else _matching(stamp, text_encoder, "text_encoder")
    return both_similarities(vector_similarity(index, chosen), word_similarity(index))


_NOTHING = Route(RouteOutcome.UNKNOWN, (), (), 0.0)


def _digests(image: EncodedImage, references: Sequence[EncodedImage]) -> frozenset[str]:
    return frozenset(item.digest for item in (image, *references))


def _direction(vector: FloatArray, index: IndexData) -> FloatArray:
    """The given vector, scaled to unit length in double precision."""
    check_shape(vector, index.reference_vectors)
    length = float(np.linalg.norm(vector.astype(np.float64)))
    if not (math.isfinite(length) and length > 0):
        raise InputError(
            f"the vector has length {length}, so it points nowhere; give the encoder's vector of the image"
        )
    direction: FloatArray = (vector.astype(np.float64) / length).astype(np.float32)
    return direction


def _matching(stamp: EncoderStamp, encoder: Encoder | str | None, option: str = "encoder") -> Encoder:
    """The encoder that the stamp describes, loaded if necessary."""
    if encoder is None:
        with chosen_by_index(stamp, option=option):
            loaded = load_encoder(stamp.spec)
    else:
        loaded = encoder if isinstance(encoder, Encoder) else load_encoder(encoder)
    if loaded.fingerprint != stamp.fingerprint:
        raise IndexMismatchError(
            f"the index was built by {stamp.spec} ({stamp.fingerprint[:12]}), not by {loaded.spec} "
            f"({loaded.fingerprint[:12]}); use that encoder, or build the index again with "
            f"`mmad-rag build-index KNOWLEDGE --encoder {loaded.spec}`, with the --out and --references "
            "that it was built with"
        )
    return loaded
