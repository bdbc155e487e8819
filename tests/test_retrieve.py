"""Retrieval: the right product, an honest "not in the catalogue", and the passages a question needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, IndexMismatchError, InputError
from mmad_rag.images import open_picture
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.manifest import ReferenceFloor
from mmad_rag.records import Field, Picture, RouteOutcome
from mmad_rag.report.retrieval import knowledge_lines, route_lines
from mmad_rag.retrieve import ClipRetriever, FixedProductRetriever, estimate_tokens
from mmad_rag.retrieve.need import asks_about_defects, field_weights
from mmad_rag.retrieve.route import route
from mmad_rag.retrieve.select import select
from mmad_rag.retrieve.similarity import vector_similarity, word_similarity
from tests.world import COLOURS, ColourTower, World, colour_encoder, png

EFFECT = "There is a defect in the object. What is the effect of the defect?"


def flat(_question: str, rows: Sequence[int]) -> Sequence[float]:
    """No similarity at all."""
    return [0.0] * len(rows)


def unit(*values: float) -> np.ndarray:
    vector = np.asarray(values, np.float32)
    scaled: np.ndarray = vector / np.linalg.norm(vector)
    return scaled


def picture(colour: tuple[int, int, int], shade: int = 77) -> Picture:
    return open_picture(png(colour, shade=shade))


@pytest.mark.parametrize("product", ["red_disc", "green_square", "blue_bar"])
def test_a_picture_is_routed_to_its_product(
    world: World, index: KnowledgeIndex, encoder: Encoder, product: str
) -> None:
    found = ClipRetriever(index, encoder=encoder).route(open_picture(world.queries[product]))
    assert found.outcome is RouteOutcome.PRODUCT
    assert found.products == (product,)
    assert found.confidence > 0.8
    assert found.candidates[0].product == product
    assert found.candidates[0].reference_score == pytest.approx(1.0, abs=1e-3)
    assert len(found.candidates) == 3


def test_scores_are_standardised_per_kind_and_fused_with_fixed_weights(index: KnowledgeIndex) -> None:
    vector = unit(220, 30, 30)
    found = route(index, vector)
    texts = np.array([c.text_score for c in found.candidates], np.float64)
    references = np.array([c.reference_score for c in found.candidates], np.float64)
    fused = (
        0.3 * (texts - texts.mean()) / texts.std() + 0.7 * (references - references.mean()) / references.std()
    )
    assert [c.score for c in found.candidates] == pytest.approx(fused.tolist(), abs=1e-6)


def test_a_text_score_is_the_mean_of_the_three_best_keys(index: KnowledgeIndex) -> None:
    vector = unit(220, 30, 30)
    rows = [row for row, key in enumerate(index.keys) if key.product == "blue_bar"]
    best = sorted((float(index.key_vectors[row] @ vector) for row in rows), reverse=True)[:3]
    found = {c.product: c.text_score for c in route(index, vector).candidates}
    assert found["blue_bar"] == pytest.approx(np.mean(best), abs=1e-6)


def test_a_reference_with_the_querys_own_bytes_is_never_evidence(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    own = open_picture(world.references / "red_disc" / "1.png")
    only_own = dataclasses.replace(
        index,
        references=tuple(item for item in index.references if item.digest == own.digest),
        reference_vectors=index.reference_vectors[[item.digest == own.digest for item in index.references]],
    )
    assert len(only_own.references) == 1
    found = ClipRetriever(only_own, encoder=encoder).route(own)
    assert all(candidate.reference_score is None for candidate in found.candidates)
    other = ClipRetriever(only_own, encoder=encoder).route(picture(COLOURS["red"]))
    assert [c.reference_score is not None for c in other.candidates if c.product == "red_disc"] == [True]


def test_a_picture_of_nothing_known_is_not_in_the_catalogue(index: KnowledgeIndex, encoder: Encoder) -> None:
    strange = dataclasses.replace(
        index,
        manifest=index.manifest.model_copy(
            update={"reference_floor": ReferenceFloor(same=0.999, other=0.98)}
        ),
    )
    retriever = ClipRetriever(strange, encoder=encoder)
    found = retriever.retrieve(EFFECT, picture((200, 190, 30)))
    assert found.route.outcome is RouteOutcome.UNKNOWN
    assert found.route.products == ()
    assert found.hits == ()
    assert found.route.confidence < 0.5
    assert "not in the catalogue" in next(route_lines(found.route))


def test_two_equally_near_products_are_a_near_tie(index: KnowledgeIndex, encoder: Encoder) -> None:
    loose = dataclasses.replace(
        index,
        manifest=index.manifest.model_copy(update={"reference_floor": ReferenceFloor(same=0.6, other=0.2)}),
    )
    found = ClipRetriever(loose, encoder=encoder, budget=300).retrieve(EFFECT, picture((150, 34, 150)))
    assert found.route.outcome is RouteOutcome.NEAR_TIE
    assert set(found.route.products) == {"red_disc", "blue_bar"}
    used = dict.fromkeys(found.route.products, 0)
    for hit in found.hits:
        used[hit.passage.product] += estimate_tokens(hit.passage.text)
    assert all(0 < tokens <= 150 for tokens in used.values())
    assert "too close to tell" in next(route_lines(found.route))


def test_without_references_the_first_product_must_stand_out(world: World, encoder: Encoder) -> None:
    by_text = KnowledgeIndex.build(world.knowledge, encoder)
    retriever = ClipRetriever(by_text, encoder=encoder)
    assert retriever.route(picture(COLOURS["red"])).products == ("red_disc",)
    assert retriever.route(picture(COLOURS["red"])).candidates[0].reference_score is None
    grey = retriever.route(picture((130, 130, 130)))
    assert grey.confidence < retriever.route(picture(COLOURS["red"])).confidence


def test_without_text_tower_references_alone_decide(world: World) -> None:
    blind = colour_encoder(texts=False)
    built = KnowledgeIndex.build(world.knowledge, blind, references=world.references)
    found = ClipRetriever(built, encoder=blind).retrieve(EFFECT, picture(COLOURS["green"]))
    assert found.route.products == ("green_square",)
    assert found.route.candidates[0].text_score is None
    assert any(hit.passage.field is Field.EFFECT for hit in found.hits)


def test_an_empty_comparison_is_unknown(index: KnowledgeIndex) -> None:
    empty = dataclasses.replace(
        index,
        keys=(),
        references=(),
        key_vectors=np.empty((0, 3), np.float32),
        reference_vectors=np.empty((0, 3), np.float32),
    )
    found = route(empty, unit(1, 0, 0))
    assert (found.outcome, found.candidates, found.confidence) == (RouteOutcome.UNKNOWN, (), 0.0)


def test_a_catalogue_of_one_product_has_no_tie(index: KnowledgeIndex) -> None:
    rows = [row for row, item in enumerate(index.references) if item.product == "red_disc"]
    one = dataclasses.replace(
        index,
        keys=(),
        key_vectors=np.empty((0, 3), np.float32),
        references=tuple(index.references[row] for row in rows),
        reference_vectors=index.reference_vectors[rows],
    )
    found = route(one, unit(220, 30, 30))
    assert found.products == ("red_disc",)
    assert found.candidates[0].score == 0.0


def test_further_pictures_of_the_query_join_it(index: KnowledgeIndex, encoder: Encoder) -> None:
    retriever = ClipRetriever(index, encoder=encoder)
    purple = picture((150, 34, 150))
    blue = [picture(COLOURS["blue"], shade) for shade in (5, 6)]
    assert retriever.route(purple, blue).candidates[0].product == "blue_bar"
    alone = {c.product: c.reference_score for c in retriever.route(purple).candidates}
    joined = {c.product: c.reference_score for c in retriever.route(purple, blue).candidates}
    assert (joined["blue_bar"] or 0) > (alone["blue_bar"] or 0)


def test_without_a_picture_nothing_is_found(index: KnowledgeIndex, encoder: Encoder) -> None:
    found = ClipRetriever(index, encoder=encoder).retrieve(EFFECT, None)
    assert found.route.outcome is RouteOutcome.UNKNOWN
    assert found.hits == ()


def test_every_picture_is_embedded_once_also_from_many_threads(world: World, index: KnowledgeIndex) -> None:
    fresh = colour_encoder()
    retriever = ClipRetriever(index, encoder=fresh)
    queries = [open_picture(path) for path in world.queries.values()]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: retriever.retrieve(EFFECT, item), queries * 10))
    assert isinstance(fresh.images, ColourTower)
    assert fresh.images.pictures_seen == 3
    assert found[0] == found[3] == found[27]


def test_another_encoder_is_refused_with_the_command_that_mends_it(index: KnowledgeIndex) -> None:
    with pytest.raises(IndexMismatchError, match="--encoder test:other"):
        ClipRetriever(index, encoder=colour_encoder(name="other"))


def test_an_encoder_of_texts_only_cannot_route(index: KnowledgeIndex) -> None:
    retriever = ClipRetriever(index, encoder=colour_encoder(images=False))
    with pytest.raises(EncoderError, match="no image tower"):
        retriever.route(picture(COLOURS["red"]))


def test_the_oracle_selects_as_the_retriever_does_once_it_has_routed(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    oracle = FixedProductRetriever(index, "red_disc", text_encoder=encoder)
    routed = ClipRetriever(index, encoder=encoder).retrieve(EFFECT, open_picture(world.queries["red_disc"]))
    found = oracle.retrieve(EFFECT, None)
    assert found.hits == routed.hits
    assert found.route.products == ("red_disc",)
    assert found.route.confidence == 1.0
    assert "red_disc" in oracle.identity


def test_the_oracle_must_know_the_product(index: KnowledgeIndex) -> None:
    with pytest.raises(InputError, match="no product 'spoon'; it holds blue_bar"):
        FixedProductRetriever(index, "spoon")


def test_identities_name_all_that_changes_the_result(index: KnowledgeIndex, encoder: Encoder) -> None:
    first = ClipRetriever(index, encoder=encoder).identity
    assert index.fingerprint[:16] in first
    assert first != ClipRetriever(index, encoder=encoder, budget=10).identity
    assert first == ClipRetriever(index, encoder=encoder).identity


@pytest.mark.parametrize("budget", [0, 10, 40, 100, 250, 10_000])
def test_the_budget_is_never_exceeded(index: KnowledgeIndex, budget: int) -> None:
    hits = select(index, ["red_disc"], EFFECT, flat, budget=budget)
    titles = {hit.passage.entry: hit.passage.title for hit in hits}
    used = sum(estimate_tokens(hit.passage.text) + 4 for hit in hits)
    used += sum(estimate_tokens(title) + 4 for title in titles.values())
    assert used <= budget
    if budget >= 10_000:
        assert len(hits) == 17


def test_a_small_budget_still_gives_what_was_asked_for_and_the_normal_state(index: KnowledgeIndex) -> None:
    hits = select(index, ["red_disc"], EFFECT, flat, budget=100)
    assert {hit.passage.entry for hit in hits} == {"normal", "crack", "stain"}
    assert [hit.passage.field for hit in hits if hit.passage.entry == "crack"][-1] is Field.EFFECT
    places = [index.passages.index(hit.passage) for hit in hits]
    assert places == sorted(places)
    assert hits[0].passage.entry == "normal"


def test_a_question_about_a_good_object_gets_no_defects(index: KnowledgeIndex) -> None:
    hits = select(index, ["red_disc"], "What is the purpose of the object?", flat, budget=10_000)
    assert {hit.passage.entry for hit in hits} == {"normal"}
    assert max(hits, key=lambda hit: hit.score).passage.field is Field.FUNCTION


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("There is a defect in the object. Where is the defect?", Field.LOCATION),
        ("There is a defect in the object. What is the effect of the defect?", Field.EFFECT),
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
    assert normal[field] > 1
    assert set(defect.values()) == {0.0}


def test_detection_asks_for_what_is_tolerated_and_how_defects_look() -> None:
    normal, defect = field_weights("Is there any defect in the object?")
    assert normal[Field.VARIATION] == 0.5
    assert max(defect, key=lambda item: defect[item]) is Field.APPEARANCE


def test_vectors_decide_between_passages_of_one_field(index: KnowledgeIndex, encoder: Encoder) -> None:
    similarity = vector_similarity(index, encoder)
    rows = [row for row, passage in enumerate(index.passages) if passage.product == "red_disc"]
    scores = similarity("red", rows)
    assert max(scores) == 1.0
    assert min(scores) == 0.0
    assert similarity("red", rows[:1]) == [0.0]
    without = dataclasses.replace(index, passage_vectors=None)
    with pytest.raises(ValueError, match="no passage vectors"):
        vector_similarity(without, encoder)


def test_words_find_the_passage_that_shares_them(index: KnowledgeIndex) -> None:
    similarity = word_similarity(index)
    rows = [row for row, passage in enumerate(index.passages) if passage.product == "red_disc"]
    scores = similarity("grease left by a machine", rows)
    best = index.passages[rows[int(np.argmax(scores))]]
    assert best.text == "Grease from a hand or a machine was left on it."
    assert max(scores) == 1.0
    assert set(similarity("the of", rows)) == {0.0}
    assert set(similarity("zeppelin", rows)) == {0.0}
    assert similarity("anything", []) == []


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("A bent tooth.", 4), ("2026", 4), ("counterclockwise", 2), ("a, b", 3), ("é", 1)],
)
def test_tokens_are_estimated_as_documented(text: str, tokens: int) -> None:
    assert estimate_tokens(text) == tokens


@given(st.text(), st.text())
def test_two_texts_cost_at_most_one_token_less_than_both(first: str, second: str) -> None:
    assert estimate_tokens(f"{first} {second}") == estimate_tokens(first) + estimate_tokens(second)


def test_what_was_found_is_shown_with_numbers_ids_and_evidence(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    found = ClipRetriever(index, encoder=encoder).retrieve(EFFECT, open_picture(world.queries["red_disc"]))
    lines = list(knowledge_lines(found))
    assert lines[0].startswith("product: red_disc (confidence 0.9")
    assert lines[1].startswith("margin to the next product: ")
    assert "text 0.9" in lines[2]
    assert "reference 1.000" in lines[2]
    assert "knowledge: 17 passages" in lines
    assert "  [1] red_disc/normal/identity/1" in "\n".join(lines)
    nothing = list(knowledge_lines(ClipRetriever(index, encoder=encoder).retrieve(EFFECT, None)))
    assert nothing[-1] == "knowledge: none is added to the prompt"
