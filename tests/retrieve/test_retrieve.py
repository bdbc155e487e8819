"""Retrieval: the right product, an honest "not in the catalogue", and the passages a question needs."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, IndexMismatchError, InputError
from mmad_rag.fields import Field
from mmad_rag.images import open_image
from mmad_rag.images.perturb import changed
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.manifest import Calibration, Logistic, ReferenceScale
from mmad_rag.records import EncodedImage, RouteOutcome
from mmad_rag.report.explain import knowledge_lines, route_lines
from mmad_rag.retrieve import ClipRetriever, FixedProductRetriever, estimate_tokens
from mmad_rag.retrieve.clip import LONGEST_QUESTION
from tests.support.world import COLOURS, ColourTower, World, colour_encoder, png

EFFECT = "There is a defect in the object. What is the effect of the defect?"


def unit(*values: float) -> np.ndarray:
    vector = np.asarray(values, np.float32)
    scaled: np.ndarray = vector / np.linalg.norm(vector)
    return scaled


def image(colour: tuple[int, int, int], shade: int = 77) -> EncodedImage:
    return open_image(png(colour, shade=shade))


@pytest.mark.parametrize("product", ["red_disc", "green_square", "blue_bar"])
def test_a_picture_is_routed_to_its_product(
    world: World, index: KnowledgeIndex, encoder: Encoder, product: str
) -> None:
    found = ClipRetriever(index, encoder=encoder).route(open_image(world.queries[product]))
    assert found.outcome is RouteOutcome.PRODUCT
    assert found.products == (product,)
    assert found.confidence > 0.8
    assert found.candidates[0].product == product
    assert found.candidates[0].reference_score == pytest.approx(1.0, abs=1e-3)
    assert len(found.candidates) == 3


def calibrated(index: KnowledgeIndex, *, at: float, tie_scale: float = 0.1) -> KnowledgeIndex:
    """The index with a probability of being known that is one half at a nearest cosine of `at`."""
    both = Logistic(weights=(40.0, 0.0, 0.0), bias=-40.0 * at)
    calibration = Calibration(
        method="labelled",
        images=4,
        known_share=0.5,
        reference=None,
        both=both,
        text=None,
        references=ReferenceScale(),
        tie_scale=tie_scale,
        threshold=0.5,
    )
    return dataclasses.replace(index, manifest=index.manifest.model_copy(update={"calibration": calibration}))


def test_a_reference_with_the_querys_own_bytes_is_never_evidence(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    own = open_image(world.references / "red_disc" / "1.png")
    only_own = dataclasses.replace(
        index,
        references=tuple(item for item in index.references if item.digest == own.digest),
        reference_vectors=index.reference_vectors[[item.digest == own.digest for item in index.references]],
    )
    assert {item.digest for item in only_own.references} == {own.digest}
    found = ClipRetriever(only_own, encoder=encoder).route(own)
    assert all(candidate.reference_score is None for candidate in found.candidates)
    other = ClipRetriever(only_own, encoder=encoder).route(image(COLOURS["red"]))
    assert [c.reference_score is not None for c in other.candidates if c.product == "red_disc"] == [True]


def test_a_picture_of_nothing_known_is_not_in_the_catalogue(index: KnowledgeIndex, encoder: Encoder) -> None:
    strange = calibrated(index, at=0.97)
    retriever = ClipRetriever(strange, encoder=encoder)
    found = retriever.retrieve(EFFECT, image((200, 190, 30)))
    assert found.route.outcome is RouteOutcome.UNKNOWN
    assert found.route.products == ()
    assert found.hits == ()
    assert found.route.known < 0.5
    assert "not in the catalogue" in next(route_lines(found.route))


def test_two_equally_near_products_are_a_near_tie(index: KnowledgeIndex, encoder: Encoder) -> None:
    loose = calibrated(index, at=0.4, tie_scale=5.0)
    found = ClipRetriever(loose, encoder=encoder, budget=300).retrieve(EFFECT, image((150, 34, 150)))
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
    assert retriever.route(image(COLOURS["red"])).products == ("red_disc",)
    assert retriever.route(image(COLOURS["red"])).candidates[0].reference_score is None
    grey = retriever.route(image((130, 130, 130)))
    assert grey.confidence < retriever.route(image(COLOURS["red"])).confidence


def test_without_text_tower_references_alone_decide(world: World) -> None:
    blind = colour_encoder(texts=False)
    built = KnowledgeIndex.build(world.knowledge, blind, references=world.references)
    found = ClipRetriever(built, encoder=blind).retrieve(EFFECT, image(COLOURS["green"]))
    assert found.route.products == ("green_square",)
    assert found.route.candidates[0].text_score is None
    assert any(hit.passage.field is Field.EFFECT for hit in found.hits)


def test_further_pictures_of_the_query_join_it(index: KnowledgeIndex, encoder: Encoder) -> None:
    retriever = ClipRetriever(index, encoder=encoder)
    purple = image((150, 34, 150))
    blue = [image(COLOURS["blue"], shade) for shade in (5, 6)]
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
    queries = [open_image(path) for path in world.queries.values()]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda item: retriever.retrieve(EFFECT, item), queries * 10))
    assert isinstance(fresh.images, ColourTower)
    assert fresh.images.images_seen == 3
    assert found[0] == found[3] == found[27]


def test_a_changed_picture_is_embedded_anew_although_it_keeps_its_digest(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    retriever = ClipRetriever(index, encoder=encoder)
    whole = open_image(world.queries["red_disc"])
    noisy = changed(whole, "noise")
    assert noisy.digest == whole.digest
    assert not np.array_equal(retriever.vector(whole), retriever.vector(noisy))


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0])
def test_a_vector_without_a_direction_is_refused(
    index: KnowledgeIndex, encoder: Encoder, value: float
) -> None:
    with pytest.raises(InputError, match="points nowhere"):
        ClipRetriever(index, encoder=encoder).route_vector(np.full(3, value, np.float32))


def test_another_encoder_is_refused_with_the_command_that_mends_it(index: KnowledgeIndex) -> None:
    with pytest.raises(IndexMismatchError, match="--encoder test:other"):
        ClipRetriever(index, encoder=colour_encoder(name="other"))


def test_an_encoder_of_texts_only_cannot_route(index: KnowledgeIndex) -> None:
    retriever = ClipRetriever(index, encoder=colour_encoder(images=False))
    with pytest.raises(EncoderError, match="no image tower"):
        retriever.route(image(COLOURS["red"]))


def test_the_oracle_selects_as_the_retriever_does_once_it_has_routed(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    oracle = FixedProductRetriever(index, "red_disc", text_encoder=encoder)
    routed = ClipRetriever(index, encoder=encoder).retrieve(EFFECT, open_image(world.queries["red_disc"]))
    found = oracle.retrieve(EFFECT, None)
    assert found.hits == routed.hits
    assert found.route.products == ("red_disc",)
    assert found.route.confidence == 1.0
    assert "red_disc" in oracle.identity


def test_pictures_of_defects_order_the_passages_for_retriever_and_oracle_alike(
    world: World, encoder: Encoder, tmp_path: Path
) -> None:
    """A query that looks like the image of a stain gets the stain's passages first, whoever is asked."""
    for defect, colour in (("crack", (120, 60, 60)), ("stain", (200, 90, 20))):
        (tmp_path / "red_disc" / defect).mkdir(parents=True)
        (tmp_path / "red_disc" / defect / "1.png").write_bytes(png(colour, shade=3))
    index = KnowledgeIndex.build(
        world.knowledge,
        encoder,
        text_encoder="words",
        references=world.references,
        defect_references=tmp_path,
    )
    clip = ClipRetriever(index, encoder=encoder)
    stained = image((200, 92, 22))
    found = clip.retrieve("What type of defect is there?", stained)
    assert found.route.products == ("red_disc",)
    seen = clip.evidence("red_disc", stained)
    assert seen["stain"] == 1.0 > seen["crack"]
    scores = {hit.passage.entry: hit.score for hit in found.hits if hit.passage.field is Field.APPEARANCE}
    assert scores["stain"] > scores["crack"]
    oracle = FixedProductRetriever(index, "red_disc", evidence=clip.evidence)
    assert oracle.retrieve("What type of defect is there?", stained).hits == found.hits
    blind = FixedProductRetriever(index, "red_disc").retrieve("What type of defect is there?", stained)
    assert blind.hits != found.hits


def test_without_pictures_of_defects_a_picture_says_nothing_of_them(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    assert ClipRetriever(index, encoder=encoder).evidence("red_disc", image(COLOURS["red"])) == {}


def test_the_oracle_must_know_the_product(index: KnowledgeIndex) -> None:
    with pytest.raises(InputError, match="no product 'spoon'; it holds blue_bar"):
        FixedProductRetriever(index, "spoon")


def test_identities_name_all_that_changes_the_result(index: KnowledgeIndex, encoder: Encoder) -> None:
    first = ClipRetriever(index, encoder=encoder).identity
    assert index.fingerprint[:16] in first
    assert first != ClipRetriever(index, encoder=encoder, budget=10).identity
    assert first == ClipRetriever(index, encoder=encoder).identity


def test_what_was_found_is_shown_with_numbers_ids_and_evidence(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    found = ClipRetriever(index, encoder=encoder).retrieve(EFFECT, open_image(world.queries["red_disc"]))
    lines = list(knowledge_lines(found))
    assert lines[0] == "product: red_disc (confidence 1.00, known 1.00)"
    assert lines[1].startswith("margin to the next product: ")
    assert "text 0.9" in lines[2]
    assert "reference 1.000" in lines[2]
    assert "knowledge: 17 passages" in lines
    assert "  [1] red_disc/normal/identity/1" in "\n".join(lines)
    nothing = list(knowledge_lines(ClipRetriever(index, encoder=encoder).retrieve(EFFECT, None)))
    assert nothing[-1] == "knowledge: none is added to the prompt"


def test_a_very_long_question_is_looked_up_by_its_end(index: KnowledgeIndex, encoder: Encoder) -> None:
    retriever = ClipRetriever(index, encoder=encoder)
    image = open_image(png(COLOURS["red"], shade=99))
    end = "Where is the crack? " * 200
    assert len(end) == LONGEST_QUESTION
    assert retriever.retrieve("What is it for? " * 50_000 + end, image) == retriever.retrieve(end, image)
