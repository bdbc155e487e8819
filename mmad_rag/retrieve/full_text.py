"""A retriever that gives everything about a given product, as MMAD's own knowledge runs do."""

from __future__ import annotations

from collections.abc import Sequence

from mmad_rag.errors import InputError, SpecError
from mmad_rag.index.data import IndexData
from mmad_rag.prompt import knowledge_text
from mmad_rag.records import EncodedImage, Hit, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve.selection.tokenizers import ESTIMATE, NamedCounter


class WholeProductRetriever:
    """Every passage of one product in the file's order, whatever the question; nothing is cut.

    Args:
        index: Where the passages are.
        product: One product of the index's catalogue.
        context: The most tokens that the fenced block may have; None sets no limit.
        counter: Counts them.

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
        """Index and product."""
        return f"whole(index={self._index.fingerprint[:16]},product={self.product})"

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        """The same for every question."""
        return self._knowledge
