"""The conditions of a run, each a model composed from models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import SpecError
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models import Model
from mmad_rag.rag import RagWrapper
from mmad_rag.records import NORMAL_ENTRY, Knowledge, Picture, Question, Route, RouteOutcome
from mmad_rag.retrieve import DEFAULT_BUDGET, ClipRetriever, FixedProductRetriever, Retriever
from mmad_rag.retrieve.clip import passage_similarity
from mmad_rag.retrieve.select import Similarity
from mmad_rag.retrieve.similarity import word_similarity

ARM_NAMES = ("none", "rag", "oracle")
"""No knowledge; knowledge of the product that is seen in the picture; knowledge of the true product."""

ROUTING_ARMS = frozenset({"rag"})
"""Arms in which the product is looked for; in the others it is given or not needed."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition of a run."""

    name: str
    """One of `ARM_NAMES`."""
    identity: str
    """Everything about the arm that can change a reply, for all questions together."""
    model: str
    """Identity of the model that is asked in the end."""
    index: str | None
    """Fingerprint of the index that knowledge comes from; None for an arm without knowledge."""
    model_for: Callable[[Question], Model]
    """The model that answers a question in this arm; only an oracle may look at the question's product."""


def build_arms(
    names: Sequence[str],
    model: Model,
    index: KnowledgeIndex | None = None,
    *,
    encoder: Encoder | str | None = None,
    text_encoder: Encoder | str | None = None,
    budget: int = DEFAULT_BUDGET,
) -> tuple[Arm, ...]:
    """Compose the arms of a run, in the order of their names.

    Args:
        names: Of `ARM_NAMES`, each at most once.
        model: The model that every arm asks in the end.
        index: Where knowledge comes from; needed by every arm but `none`.
        encoder: As for `ClipRetriever`.
        text_encoder: As for `ClipRetriever`.
        budget: Estimated tokens of knowledge per prompt.

    Raises:
        SpecError: no name, an unknown one, one given twice, or knowledge is asked for without an index.
        IndexMismatchError: an encoder is not the one that built the index.
    """
    check_arm_names(names)
    arms = {"none": Arm("none", model.identity, model.identity, None, lambda _question: model)}
    if index is not None:
        retrievers = _Retrievers(index, encoder, text_encoder, budget)
        if "rag" in names:
            arms["rag"] = _rag(model, retrievers)
        if "oracle" in names:
            arms["oracle"] = _oracle(model, retrievers)
    for name in names:
        if name not in arms:
            raise SpecError(
                f"the arm {name!r} needs an index; build one with `mmad-rag build-index knowledge/`, "
                "then give it with --index"
            )
    return tuple(arms[name] for name in names)


def base_arms(model: Model, indexes: Mapping[str, KnowledgeIndex], budgets: Sequence[int]) -> tuple[Arm, ...]:
    """Arms that compare knowledge bases: the true product's passages from each base, at each budget.

    Beside each stands its control: the passages of another product, drawn per picture and the same for every
    base. Passages are found by their words, whatever vectors an index holds, so that the bases differ and
    nothing else does.

    Args:
        model: The model that every arm asks.
        indexes: Name of a base -> its index.
        budgets: Estimated tokens of knowledge per prompt.

    Returns:
        Arms named `base@budget` and `base@budget/wrong`, in the order of budgets, then of bases.
    """
    shared = sorted(set.intersection(*(set(index.products) for index in indexes.values())))
    arms = []
    for budget in budgets:
        for name, index in indexes.items():
            retrievers = _Retrievers(index, None, None, budget, by_words=True)
            arms.append(_oracle(model, retrievers, name=f"{name}@{budget}"))
            arms.append(
                _oracle(
                    model,
                    retrievers,
                    name=f"{name}@{budget}/wrong",
                    product=lambda question: other_product(question, shared),
                )
            )
    return tuple(arms)


def other_product(question: Question, products: Sequence[str]) -> str:
    """Another product than the question's, drawn by its picture's path: the same in every run.

    Raises:
        SpecError: there is no other product.
    """
    others = [product for product in products if product != question.product]
    if not others:
        raise SpecError(f"there is no product but {question.product}; a wrong product needs a second one")
    draw = hashlib.sha256(question.image_path.encode("utf-8", "surrogatepass")).digest()
    return others[int.from_bytes(draw[:8], "big") % len(others)]


def check_arm_names(names: Sequence[str]) -> None:
    """Refuse names that no run can have, before anything is loaded for them.

    Raises:
        SpecError: no name, an unknown one, or one given twice.
    """
    known = ", ".join(ARM_NAMES)
    if not names:
        raise SpecError(f"a run needs an arm; give some of {known}")
    for name in names:
        if name not in ARM_NAMES:
            raise SpecError(f"there is no arm {name!r}; give some of {known}")
        if names.count(name) > 1:
            raise SpecError(f"the arm {name!r} is given twice; give each arm once")


class _Retrievers:
    """The retrievers of one index, with one copy of its encoder between them."""

    def __init__(
        self,
        index: KnowledgeIndex,
        encoder: Encoder | str | None,
        text_encoder: Encoder | str | None,
        budget: int,
        *,
        by_words: bool = False,
    ) -> None:
        self.index = index
        self.budget = budget
        self._spec = encoder
        self._text_encoder = text_encoder
        self._by_words = by_words or index.manifest.text_encoder is None
        self._looks = not by_words and any(item.entry != NORMAL_ENTRY for item in index.references)

    @cached_property
    def _encoder(self) -> Encoder:
        spec = self._spec or self.index.manifest.encoder.spec
        return spec if isinstance(spec, Encoder) else load_encoder(spec)

    @cached_property
    def clip(self) -> ClipRetriever:
        return ClipRetriever(
            self.index, encoder=self._encoder, text_encoder=self._text_encoder, budget=self.budget
        )

    def fixed(self, product: str) -> Retriever:
        if product not in self.index.products:
            return _Nothing(self.index, product)
        return FixedProductRetriever(
            self.index,
            product,
            similarity=self._similarity,
            evidence=self.clip.evidence if self._looks else None,
            budget=self.budget,
        )

    @cached_property
    def _similarity(self) -> Similarity:
        if self._by_words:
            return word_similarity(self.index)
        return passage_similarity(self.index, self._encoder, self._text_encoder)


class _Nothing:
    """A retriever for a product that the index does not hold: it finds nothing."""

    def __init__(self, index: KnowledgeIndex, product: str) -> None:
        self._index = index
        self._product = product

    @property
    def identity(self) -> str:
        return f"nothing(index={self._index.fingerprint[:16]},product={self._product})"

    def retrieve(
        self, question: str, picture: Picture | None, references: Sequence[Picture] = ()
    ) -> Knowledge:
        return Knowledge(Route(RouteOutcome.UNKNOWN, (), (), 0.0), (), self._index.fingerprint)


def _rag(model: Model, retrievers: _Retrievers) -> Arm:
    wrapper = RagWrapper(model, retriever=retrievers.clip)
    return Arm(
        "rag", wrapper.identity, model.identity, retrievers.index.fingerprint, lambda _question: wrapper
    )


def _oracle(
    model: Model,
    retrievers: _Retrievers,
    *,
    name: str = "oracle",
    product: Callable[[Question], str] = lambda question: question.product,
) -> Arm:
    """One wrapper per product, made when the product first comes up."""

    @cache
    def wrapper(given: str) -> RagWrapper:
        return RagWrapper(model, retriever=retrievers.fixed(given))

    fingerprint = retrievers.index.fingerprint
    return Arm(
        name=name,
        identity=f"{name}(index={fingerprint[:16]},budget={retrievers.budget})/{model.identity}",
        model=model.identity,
        index=fingerprint,
        model_for=lambda question: wrapper(product(question)),
    )
