"""Selection: what a question needs, inside a budget that holds, the normal state and every defect in it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmad_rag.fields import Field
from mmad_rag.index import KnowledgeIndex
from mmad_rag.prompt import knowledge_text, passages_text
from mmad_rag.records import Hit, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve.selection.question_fields import (
    asked_fields,
    asks_about_defects,
    field_weights,
    needs_defects,
)
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET, EVIDENCE_WEIGHT, select
from mmad_rag.retrieve.selection.tokenizers import token_counter
from mmad_rag.words.token_estimate import TokenCounter, estimate_tokens

EFFECT = "There is a defect in the object. What is the effect of the defect?"
UNGUIDED = "Tell me about it."


def flat(_question: str, rows: Sequence[int]) -> Sequence[float]:
    """No similarity at all."""
    return [0.0] * len(rows)


def shown_tokens(hits: Sequence[Hit], products: int, counter: TokenCounter) -> int:
    return counter(passages_text([hit.passage for hit in hits], products)) if hits else 0


def by_letters(text: str) -> int:
    return len(text)


def by_bytes(text: str) -> int:
    return len(text.encode())


def worse_together(text: str) -> int:
    """A counter by which lines cost far more together than alone."""
    return len(text.split()) * (1 + text.count("\n"))


def constant(_text: str) -> int:
    return 7


of_model = functools.cache(token_counter)  # byte pairs take a second to read


def by_model(model: str, text: str) -> int:
    return of_model(model)(text)


COUNTERS: Mapping[str, TokenCounter] = {
    "estimate": estimate_tokens,
    "letters": by_letters,
    "bytes": by_bytes,
    "worse together": worse_together,
    "constant": constant,
    "gpt-4o": functools.partial(by_model, "gpt-4o"),
    "gpt-4": functools.partial(by_model, "gpt-4"),
}


@settings(max_examples=300, deadline=None)
@given(
    budget=st.integers(0, 1200),
    counter=st.sampled_from(sorted(COUNTERS)),
    products=st.sampled_from([("red_disc",), ("blue_bar", "red_disc")]),
    question=st.sampled_from(
        [EFFECT, UNGUIDED, "Is there any defect?", "What is the purpose of the object?"]
    ),
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=9),
    seen=st.floats(0, 1),
)
def test_the_budget_is_never_exceeded_as_its_counter_counts(
    index: KnowledgeIndex,
    budget: int,
    counter: str,
    products: tuple[str, ...],
    question: str,
    scores: list[float],
    seen: float,
) -> None:
    def similarity(_question: str, rows: Sequence[int]) -> Sequence[float]:
        return [scores[row % len(scores)] for row in rows]

    hits = select(
        index,
        products,
        question,
        similarity,
        budget=budget,
        counter=COUNTERS[counter],
        evidence={"red_disc": {"crack": seen}},
    )
    assert shown_tokens(hits, len(products), COUNTERS[counter]) <= budget
    ids = [hit.passage.id for hit in hits]
    assert len(set(ids)) == len(ids)


def test_what_is_counted_is_what_the_prompt_shows_inside_its_fence(index: KnowledgeIndex) -> None:
    for products in (("red_disc",), ("red_disc", "blue_bar")):
        hits = select(index, products, EFFECT, flat, budget=300)
        outcome = RouteOutcome.PRODUCT if len(products) == 1 else RouteOutcome.NEAR_TIE
        text = knowledge_text(Knowledge(Route(outcome, (), products, 1.0), hits, ""))
        inside = passages_text([hit.passage for hit in hits], len(products))
        assert text.count(inside) == 1
        assert estimate_tokens(text) - estimate_tokens(inside) < 80


def test_an_additive_counter_fills_the_budget_to_the_last_passage_that_fits(index: KnowledgeIndex) -> None:
    everything = select(index, ["red_disc"], EFFECT, flat, budget=10_000)
    assert len(everything) == 17
    exact = shown_tokens(everything, 1, estimate_tokens)
    assert select(index, ["red_disc"], EFFECT, flat, budget=exact) == everything
    assert len(select(index, ["red_disc"], EFFECT, flat, budget=exact - 1)) == 16
    assert select(index, ["red_disc"], EFFECT, flat, budget=0) == ()


def test_two_products_share_the_budget_in_halves(index: KnowledgeIndex) -> None:
    hits = select(index, ["red_disc", "blue_bar"], EFFECT, flat, budget=300)
    for product in ("red_disc", "blue_bar"):
        own = [hit for hit in hits if hit.passage.product == product]
        assert 100 < shown_tokens(own, 2, estimate_tokens) <= 150


def test_a_small_budget_still_gives_what_was_asked_for_and_the_normal_state(index: KnowledgeIndex) -> None:
    hits = select(index, ["red_disc"], EFFECT, flat, budget=100)
    assert {hit.passage.entry for hit in hits} == {"normal", "crack", "stain"}
    assert [hit.passage.field for hit in hits if hit.passage.entry == "crack"][-1] is Field.EFFECT
    places = [index.passages.index(hit.passage) for hit in hits]
    assert places == sorted(places)
    assert hits[0].passage.entry == "normal"


@pytest.mark.parametrize("favoured", ["normal", "crack"])
def test_neither_the_normal_state_nor_the_defects_push_the_other_out(
    index: KnowledgeIndex, favoured: str
) -> None:
    def similarity(_question: str, rows: Sequence[int]) -> Sequence[float]:
        return [float(index.passages[row].entry == favoured) for row in rows]

    hits = select(
        index,
        ["red_disc"],
        "Is there any defect?",
        similarity,
        budget=110,
        evidence={"red_disc": {"crack": 1.0}},
    )
    normal = [hit for hit in hits if hit.passage.entry == "normal"]
    defects = [hit for hit in hits if hit.passage.entry != "normal"]
    assert shown_tokens(normal, 1, estimate_tokens) >= 25
    assert shown_tokens(defects, 1, estimate_tokens) >= 45


def test_a_question_about_a_good_object_gets_no_defects(index: KnowledgeIndex) -> None:
    hits = select(index, ["red_disc"], "What is the purpose of the object?", flat, budget=10_000)
    assert {hit.passage.entry for hit in hits} == {"normal"}
    assert max(hits, key=lambda hit: hit.score).passage.field is Field.FUNCTION


def test_similarity_chooses_within_the_field_asked_for_and_everywhere_when_none_is(
    index: KnowledgeIndex,
) -> None:
    stain = "red_disc/stain/cause/1"

    def similarity(_question: str, rows: Sequence[int]) -> Sequence[float]:
        return [float(index.passages[row].id == stain) for row in rows]

    guided = select(index, ["red_disc"], EFFECT, similarity, budget=10_000)
    assert [hit.passage.field for hit in sorted(guided, key=lambda hit: -hit.score)][:2] == [Field.EFFECT] * 2
    unguided = select(index, ["red_disc"], UNGUIDED, similarity, budget=10_000)
    assert max(unguided, key=lambda hit: hit.score).passage.id == stain
    scores = {hit.passage.id: hit.score for hit in guided}
    assert scores[stain] == pytest.approx(0.1 + 0.25)
    assert scores["red_disc/crack/effect/1"] == pytest.approx(0.2 + 1.0)


def test_a_passage_of_a_field_counts_less_the_later_it_stands(index: KnowledgeIndex) -> None:
    hits = select(index, ["red_disc"], "What product is this?", flat, budget=10_000)
    scores = [hit.score for hit in hits if hit.passage.field is Field.IDENTITY]
    assert scores == pytest.approx([1.5, 1.35])


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("There is a defect in the object. Where is the defect?", Field.LOCATION),
        (EFFECT, Field.EFFECT),
        ("There is a defect in the object. What could have caused the defect?", Field.CAUSE),
        ("There is a defect in the object. What is the type of the defect?", Field.APPEARANCE),
        ("There is a defect in the object. What is the appearance of the defect?", Field.APPEARANCE),
    ],
)
def test_a_defect_question_asks_for_one_field_most(question: str, field: Field) -> None:
    _, defect = field_weights(question)
    assert asks_about_defects(question)
    assert max(defect, key=lambda item: defect[item]) is field


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("What kind of product is in the image?", Field.IDENTITY),
        ("What is the function of this?", Field.FUNCTION),
        ("How many wires are there?", Field.COMPOSITION),
        ("What are the parts made of?", Field.STRUCTURE),
        ("What is the background?", Field.VIEW),
    ],
)
def test_an_object_question_asks_for_its_field(question: str, field: Field) -> None:
    normal, defect = field_weights(question)
    assert not asks_about_defects(question)
    assert not needs_defects(question)
    assert normal[field] > 1
    assert set(defect.values()) == {0.0}


def test_detection_asks_for_what_is_tolerated_and_how_defects_look() -> None:
    normal, defect = field_weights("Is there any defect in the object?")
    assert normal[Field.VARIATION] == 0.5
    assert max(defect, key=lambda item: defect[item]) is Field.APPEARANCE


def test_a_question_whose_words_say_nothing_may_be_about_defects(index: KnowledgeIndex) -> None:
    assert asked_fields(UNGUIDED) == frozenset()
    assert needs_defects(UNGUIDED)
    assert not asks_about_defects(UNGUIDED)
    hits = select(index, ["red_disc"], UNGUIDED, flat, budget=DEFAULT_BUDGET)
    assert {hit.passage.entry for hit in hits} == {"normal", "crack", "stain"}


def test_evidence_orders_the_defects_and_leaves_none_out(index: KnowledgeIndex) -> None:
    question = "There is a defect in the object. Where is it?"
    for favoured, other in (("crack", "stain"), ("stain", "crack")):
        evidence = {"red_disc": {favoured: 1.0}}
        everything = select(index, ["red_disc"], question, flat, budget=10_000, evidence=evidence)
        plain = select(index, ["red_disc"], question, flat, budget=10_000)
        assert [hit.passage for hit in everything] == [hit.passage for hit in plain]
        gained = {
            hit.passage.entry: round(hit.score - before.score, 6)
            for hit, before in zip(everything, plain, strict=True)
        }
        assert gained == {"normal": 0.0, favoured: EVIDENCE_WEIGHT, other: 0.0}
        best = sorted(everything, key=lambda hit: -hit.score)[:2]
        assert [(hit.passage.entry, hit.passage.field) for hit in best] == [
            (favoured, Field.LOCATION),
            (other, Field.LOCATION),
        ]
        few = select(index, ["red_disc"], question, flat, budget=40, evidence=evidence)
        entries = {hit.passage.entry for hit in few}
        assert favoured in entries
        assert other not in entries


def test_evidence_on_the_normal_state_or_on_another_product_changes_nothing(index: KnowledgeIndex) -> None:
    plain = select(index, ["red_disc"], EFFECT, flat, budget=200)
    odd = {"red_disc": {"normal": 1.0, "nonsense": 1.0}, "blue_bar": {"crack": 1.0}}
    assert select(index, ["red_disc"], EFFECT, flat, budget=200, evidence=odd) == plain


def test_indexes_do_not_answer_for_each_other(index: KnowledgeIndex) -> None:
    """What is kept from call to call belongs to one index, one counter and one number of products."""
    louder = tuple(dataclasses.replace(item, text=item.text.upper()) for item in index.passages)
    for _ in range(2):
        for known in (index, dataclasses.replace(index, passages=louder)):
            for counter in (estimate_tokens, by_letters):
                hits = select(known, ["red_disc"], EFFECT, flat, budget=400, counter=counter)
                assert all(hit.passage in known.passages for hit in hits)
                assert shown_tokens(hits, 1, counter) <= 400
