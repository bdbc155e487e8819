"""Build the retrievers that the arms of a run use."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import SpecError
from mmad_rag.index.data import IndexData
from mmad_rag.index.named_encoder import chosen_by_index
from mmad_rag.records import NORMAL_ENTRY, EncodedImage, Knowledge, Question, Route, RouteOutcome
from mmad_rag.retrieve import ClipRetriever, FixedProductRetriever, Retriever
from mmad_rag.retrieve.clip import passage_similarity
from mmad_rag.retrieve.config import RetrievalConfig
from mmad_rag.retrieve.filler import FillerRetriever
from mmad_rag.retrieve.full_text import WholeProductRetriever
from mmad_rag.retrieve.routing.nearest_product import nearest_product
from mmad_rag.retrieve.selection.select import Similarity
from mmad_rag.retrieve.selection.similarity import word_similarity


class ArmRetrievers:
    """The retrievers over one index; they share one copy of its encoder.

    Args:
        index: The index that holds the knowledge.
        config: Settings of retrieval.
        by_words: Whether passages are found by their words, and defects never by the image, whatever vectors
            the index holds.
    """

    def __init__(
        self,
        index: IndexData,
        config: RetrievalConfig,
        *,
        by_words: bool = False,
    ) -> None:
        self.index = index
        self.config = config
        self._by_words = by_words or index.manifest.text_encoder is None
        self._looks = not by_words and any(item.entry != NORMAL_ENTRY for item in index.references)

    @property
    def settings(self) -> str:
        """The token budget and, unless it is the estimate, the token counter, for the identity of an arm."""
        return f"budget={self.config.budget}{self.config.counter.setting}"

    @cached_property
    def clip(self) -> ClipRetriever:
        """A retriever that looks for the product in the image."""
        return replace(self.config, encoder=self._encoder).clip(self.index)

    @cached_property
    def filler(self) -> Retriever:
        """A retriever that gives neutral text in place of what `clip` finds."""
        return FillerRetriever(self.clip, counter=self.config.counter)

    def fixed(self, product: str) -> Retriever:
        """A retriever of passages about a given product."""
        if product not in self.index.products:
            return _Nothing(self.index, product)
        return FixedProductRetriever(
            self.index,
            product,
            similarity=self._similarity,
            evidence=self.clip.evidence if self._looks else None,
            budget=self.config.budget,
            counter=self.config.counter,
        )

    def lookalike(self, product: str) -> Retriever:
        """A retriever of passages about the product that a given one is most easily mistaken for."""
        if product not in self.index.products:
            return _Nothing(self.index, product)
        return self.fixed(nearest_product(self.index, product))

    def whole(self, product: str, context: int | None) -> Retriever:
        """A retriever of everything about a given product; it refuses more tokens than the context."""
        if product not in self.index.products:
            return _Nothing(self.index, product)
        return WholeProductRetriever(self.index, product, context=context, counter=self.config.counter)

    @cached_property
    def _encoder(self) -> Encoder:
        given = self.config.encoder
        if given is None:
            stamp = self.index.manifest.encoder
            with chosen_by_index(stamp):
                return load_encoder(stamp.spec)
        return given if isinstance(given, Encoder) else load_encoder(given)

    @cached_property
    def _similarity(self) -> Similarity:
        if self._by_words:
            return word_similarity(self.index)
        return passage_similarity(self.index, self._encoder, self.config.text_encoder)


class _Nothing:
    """A retriever for a product that the index does not hold: it finds nothing."""

    def __init__(self, index: IndexData, product: str) -> None:
        self._index = index
        self._product = product

    @property
    def identity(self) -> str:
        return f"nothing(index={self._index.fingerprint[:16]},product={self._product})"

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        return Knowledge(Route(RouteOutcome.UNKNOWN, (), (), 0.0), (), self._index.fingerprint)


def other_product(
    question: Question,
    products: Sequence[str],
    *,
    seed: int = 0,
    datasets: Mapping[str, str] | None = None,
) -> str:
    """A product other than the question's, drawn by the path of its image: the same in every run.

    Args:
        question: The question whose image path decides the draw.
        products: The products to draw from.
        seed: Seed for the draw; 0 draws by the path alone.
        datasets: Product -> dataset, to draw among the products of the question's dataset only: their texts
            are alike in style, because each source wrote its own. All are drawn from if it has no other.

    Raises:
        SpecError: there is no other product.
    """
    others = [product for product in products if product != question.product]
    if not others:
        raise SpecError(f"there is no product but {question.product}; a wrong product needs a second one")
    if datasets is not None:
        alike = [product for product in others if datasets.get(product) == question.dataset]
        others = alike or others
    drawn_from = f"{question.image_path}#{seed}" if seed else question.image_path
    draw = hashlib.sha256(drawn_from.encode("utf-8", "surrogatepass")).digest()
    return others[int.from_bytes(draw[:8], "big") % len(others)]
