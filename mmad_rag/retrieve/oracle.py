"""The oracle retriever, which is given the product instead of recognising it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TypeAlias

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError
from mmad_rag.index.data import IndexData
from mmad_rag.records import EncodedImage, FloatArray, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve.clip import passage_similarity
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET, Similarity, select
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter

ImageEvidence: TypeAlias = Callable[[str, EncodedImage, Sequence[EncodedImage]], Mapping[str, float]]
"""(Product, image, further images) -> defect id -> how much the image looks like that defect, in [0, 1]."""


class FixedProductRetriever:
    """Selects passages of one given product, exactly as `ClipRetriever` does once it has routed.

    Args:
        index: The index that holds the passages.
        product: One product of the index's catalogue.
        text_encoder: The encoder of passages; None loads it by the spec in the manifest.
        similarity: Similarity of questions to passages, instead of the index's own.
        evidence: Says which defects an image looks like; usually `ClipRetriever.evidence`. Without it the
            image is ignored.
        budget: Largest number of tokens of knowledge per prompt.
        counter: Counts the tokens.

    Raises:
        InputError: the product is not in the index.
    """

    def __init__(
        self,
        index: IndexData,
        product: str,
        *,
        text_encoder: Encoder | str | None = None,
        similarity: Similarity | None = None,
        evidence: ImageEvidence | None = None,
        budget: int = DEFAULT_BUDGET,
        counter: NamedCounter = ESTIMATE,
    ) -> None:
        if product not in index.rows_of_product:
            known = ", ".join(index.products)
            raise InputError(f"the index holds no product {product!r}; it holds {known}")
        self.index = index
        self.product = product
        self.budget = budget
        self.counter = counter
        self._text_encoder = text_encoder
        self._given_similarity = similarity
        self._evidence = evidence

    @property
    def identity(self) -> str:
        """The index, the product, the budget, the token counter and the kind of retriever, in one line."""
        settings = f"product={self.product},budget={self.budget}{self.counter.setting}"
        return f"fixed(index={self.index.fingerprint[:16]},{settings})"

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        """Select passages of the given product."""
        seen = {}
        if self._evidence is not None and image is not None:
            seen = {self.product: self._evidence(self.product, image, references)}
        hits = select(
            self.index,
            (self.product,),
            question,
            self._similarity,
            budget=self.budget,
            counter=self.counter,
            evidence=seen,
        )
        return Knowledge(Route(RouteOutcome.PRODUCT, (), (self.product,), 1.0), hits, self.index.fingerprint)

    def retrieve_vector(self, question: str, vector: FloatArray) -> Knowledge:
        """Select passages as `retrieve` does without an image; the vector is ignored."""
        return self.retrieve(question, None)

    @cached_property
    def _similarity(self) -> Similarity:
        return self._given_similarity or passage_similarity(self.index, None, self._text_encoder)
