"""A retriever that returns all knowledge of a given product, as MMAD's own knowledge runs do."""

from __future__ import annotations

from collections.abc import Sequence

from mmad_rag.errors import InputError, SpecError
from mmad_rag.index.data import IndexData
from mmad_rag.prompt import knowledge_text
from mmad_rag.records import EncodedImage, Hit, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter


class WholeProductRetriever:
    """Returns every passage of one product in the file's order for any question; nothing is cut.

    Args:
        index: The index that holds the passages.
        product: One product of the index's catalogue.
        context: Largest number of tokens of the fenced block; None sets no limit.
        counter: Counts the tokens.

    Raises:
        InputError: the product is not in the index.
        SpecError: the block is longer than `context`.
    """

    def __init__(
        self,
        index: IndexData,
        product: str,
        *,
        context: int | None = None,
        counter: NamedCounter = ESTIMATE,
    ) -> None:
        if product not in index.rows_of_product:
            known = ", ".join(index.products)
            raise InputError(f"the index holds no product {product!r}; it holds {known}")
        self.product = product
        self._index = index
        hits = tuple(Hit(index.passages[row], 0.0) for row in index.rows_of_product[product])
        route = Route(RouteOutcome.PRODUCT, (), (product,), 1.0)
        self._knowledge = Knowledge(route, hits, index.fingerprint)
        tokens = counter(knowledge_text(self._knowledge))
        if context is not None and tokens > context:
            raise SpecError(
                f"all that is known about {product} has {tokens} tokens ({counter.name}), more than the "
                f"context of {context}; give a longer --context if the model has one, or leave the arm "
                "'all' out: nothing is cut"
            )

    @property
    def identity(self) -> str:
        """The index and the product, in one line."""
        return f"whole(index={self._index.fingerprint[:16]},product={self.product})"

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        """The product's whole knowledge, the same for every question."""
        return self._knowledge
