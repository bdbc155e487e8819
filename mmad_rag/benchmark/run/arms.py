"""The conditions of a run, each a model composed from models.

`none` shows the question as it is. Every other arm differs from it in the fields of the prompt that its line
names, and in nothing else:

| arm | changed | the model is shown |
|---|---|---|
| `rag` | knowledge | what is known of the product that is seen in the image |
| `oracle` | knowledge | what is known of the true product |
| `wrong` | knowledge | what is known of another product, drawn per image |
| `lookalike` | knowledge | what is known of the product that the true one is most easily mistaken for |
| `filler` | knowledge | neutral text, as long as that of `rag` and laid out alike |
| `all` | knowledge | everything about the true product, as MMAD's own knowledge runs do |
| `blind` | knowledge, images | what `rag` shows, but no image; routing still sees it |
| `blind-none` | images | the question alone |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from mmad_rag.benchmark.run.arm_retrievers import ArmRetrievers, other_product
from mmad_rag.errors import SpecError
from mmad_rag.index.data import IndexData
from mmad_rag.models import Model
from mmad_rag.models.blind import BlindModel
from mmad_rag.rag import RagWrapper
from mmad_rag.records import Question
from mmad_rag.retrieve import Retriever
from mmad_rag.retrieve.config import RetrievalConfig

ARM_NAMES = ("none", "rag", "oracle", "wrong", "lookalike", "filler", "all", "blind", "blind-none")
"""The baseline; `rag` and its upper bound; wrong knowledge; other text; no image."""

INDEXLESS_ARMS = frozenset({"none", "blind-none"})
"""Arms without knowledge; all others need an index."""

ROUTING_ARMS = frozenset({"rag", "blind"})
"""Arms whose rows say which product was found; in the others the product is given, replaced or not needed."""

IMAGE_ARMS = frozenset({"rag", "filler", "blind"})
"""Arms that find nothing without an image, because they look for the product in it."""


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
    """Fingerprint of the index that holds the knowledge; None for an arm without knowledge."""
    model_for: Callable[[Question], Model]
    """The model that answers a question in this arm.

    Only an arm that is given a product may look at the question's; one that cannot be composed for a question
    raises SpecError.
    """
    counter: str | None = None
    """Name of the token counter for knowledge, e.g. `o200k_base` or `estimate`; None without knowledge."""
    keeps_passages: bool = True
    """Whether a run keeps the text of the passages that the arm shows; False if the text is only filler.

    A run keeps a passage once, by its id, and filler has no ids of its own.
    """


def build_arms(
    names: Sequence[str],
    model: Model,
    index: IndexData | None = None,
    *,
    retrieval: RetrievalConfig | None = None,
    context: int | None = None,
    seed: int = 0,
) -> tuple[Arm, ...]:
    """Compose the arms of a run, in the order of their names.

    Args:
        names: Names from `ARM_NAMES`, each at most once.
        model: The model that every arm asks in the end.
        index: The index that holds the knowledge; every arm but `INDEXLESS_ARMS` needs one.
        retrieval: Settings of retrieval in every arm but `all`, which takes everything; None uses the
            settings that `RagWrapper` uses for this model.
        context: Tokens of knowledge that the model's context has room for; `all` refuses a product with more.
            None sets no limit.
        seed: Seed for the products that `wrong` draws.

    Raises:
        SpecError: there is no name, a name is unknown or given twice, or an arm needs an index and there is
            none.
        IndexMismatchError: an encoder is not the one that built the index.
    """
    check_arm_names(names)
    config = retrieval if retrieval is not None else RetrievalConfig.for_model(model)
    retrievers = None if index is None else ArmRetrievers(index, config)
    arms = []
    for name in names:
        if name in INDEXLESS_ARMS:
            arms.append(_without_knowledge(name, model))
        elif retrievers is not None:
            arms.append(_with_knowledge(name, model, retrievers, context=context, seed=seed))
        else:
            raise SpecError(
                f"the arm {name!r} needs an index; build one with `mmad-rag build-index knowledge/`, "
                "then give it with --index"
            )
    return tuple(arms)


def base_arms(
    model: Model,
    indexes: Mapping[str, IndexData],
    budgets: Sequence[int],
    *,
    datasets: Mapping[str, str],
) -> tuple[Arm, ...]:
    """Arms that compare knowledge bases: passages about the true product from each base, at each budget.

    Each arm has two controls: the passages of another product, drawn per image and the same for every base,
    from all products (`/wrong`) and from those of the same dataset (`/alike`). The texts of a base may differ
    in style from dataset to dataset, and what style gives away is not specific to the product. Passages are
    found by their words, whatever vectors an index holds, so that nothing but the base differs.

    Args:
        model: The model that every arm asks.
        indexes: Name of a base -> its index.
        budgets: Tokens of knowledge per prompt, counted by the model's tokenizer where it is known.
        datasets: Product -> dataset, of all products of the question set.

    Returns:
        Arms named `base@budget`, `base@budget/wrong` and `base@budget/alike`, in the order of budgets, then
        of bases.
    """
    shared = sorted(set.intersection(*(set(index.products) for index in indexes.values())))
    arms = []
    for budget in budgets:
        for name, index in indexes.items():
            retrievers = ArmRetrievers(index, RetrievalConfig.for_model(model, budget=budget), by_words=True)
            settings = retrievers.settings
            arms.append(_told(f"{name}@{budget}", model, retrievers, settings=settings))
            controls: dict[str, Mapping[str, str] | None] = {"wrong": None, "alike": datasets}
            for control, among in controls.items():
                drawn = partial(other_product, products=shared, datasets=among)
                label = f"{name}@{budget}/{control}"
                arms.append(_told(label, model, retrievers, product=drawn, settings=settings))
    return tuple(arms)


def check_arm_names(names: Sequence[str]) -> None:
    """Refuse names that no run can have, before anything is loaded for them.

    Raises:
        SpecError: there is no name, or a name is unknown or given twice.
    """
    known = ", ".join(ARM_NAMES)
    if not names:
        raise SpecError(f"a run needs an arm; give some of {known}")
    for name in names:
        if name not in ARM_NAMES:
            raise SpecError(f"there is no arm {name!r}; give some of {known}")
        if names.count(name) > 1:
            raise SpecError(f"the arm {name!r} is given twice; give each arm once")


def _without_knowledge(name: str, model: Model) -> Arm:
    asked = BlindModel(model) if name == "blind-none" else model
    return Arm(name, asked.identity, model.identity, None, lambda _question: asked)


def _with_knowledge(
    name: str, model: Model, retrievers: ArmRetrievers, *, context: int | None, seed: int
) -> Arm:
    if name in IMAGE_ARMS:
        asked = BlindModel(model) if name == "blind" else model
        retriever = retrievers.filler if name == "filler" else retrievers.clip
        arm = _found(name, RagWrapper(asked, retriever=retriever), model, retrievers)
        return replace(arm, keeps_passages=name != "filler")
    settings = retrievers.settings
    match name:
        case "wrong":
            products = retrievers.index.products
            return _told(
                name,
                model,
                retrievers,
                product=lambda question: other_product(question, products, seed=seed),
                settings=f"{settings},seed={seed}",
            )
        case "lookalike":
            return _told(name, model, retrievers, retriever_of=retrievers.lookalike, settings=settings)
        case "all":
            return _told(
                name, model, retrievers, retriever_of=lambda product: retrievers.whole(product, context)
            )
    return _told(name, model, retrievers, settings=settings)


def _found(name: str, wrapper: RagWrapper, model: Model, retrievers: ArmRetrievers) -> Arm:
    """An arm that looks at the image: one wrapper for all questions."""
    fingerprint, counter = retrievers.index.fingerprint, retrievers.config.counter.name
    return Arm(name, wrapper.identity, model.identity, fingerprint, lambda _question: wrapper, counter)


def _told(
    name: str,
    model: Model,
    retrievers: ArmRetrievers,
    *,
    product: Callable[[Question], str] = lambda question: question.product,
    retriever_of: Callable[[str], Retriever] | None = None,
    settings: str = "everything",
) -> Arm:
    """An arm that is given the product: one wrapper per product, made when the product first comes up."""
    made = retriever_of or retrievers.fixed

    @cache
    def wrapper(given: str) -> RagWrapper:
        return RagWrapper(model, retriever=made(given))

    fingerprint = retrievers.index.fingerprint
    return Arm(
        name=name,
        identity=f"{name}(index={fingerprint[:16]},{settings})/{model.identity}",
        model=model.identity,
        index=fingerprint,
        counter=retrievers.config.counter.name,
        model_for=lambda question: wrapper(product(question)),
    )
