"""The controls: wrong products, look-alikes, neutral text, everything, and no image."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.arms import build_arms
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import InputError, SpecError
from mmad_rag.fields import Field
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.knowledge import load_knowledge
from mmad_rag.knowledge.shipped import shipped_knowledge
from mmad_rag.models.blind import BlindModel
from mmad_rag.models.builtin.reader import ReaderModel, choice_scores
from mmad_rag.prompt import knowledge_text
from mmad_rag.records import (
    NORMAL_ENTRY,
    Choice,
    EncodedImage,
    Hit,
    Knowledge,
    Passage,
    Prompt,
    Route,
    RouteOutcome,
)
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.config import RetrievalConfig
from mmad_rag.retrieve.filler import NOUNS, SENTENCES, FillerRetriever
from mmad_rag.retrieve.full_text import WholeProductRetriever
from mmad_rag.retrieve.routing.nearest_product import nearest_product
from mmad_rag.retrieve.selection.tokenizers import NamedCounter
from mmad_rag.words import content_words
from mmad_rag.words.token_estimate import estimate_tokens
from tests.support.bench import make_benchmark, question, scripted
from tests.support.shared import MMAD, needs_shared
from tests.support.world import COLOURS, World, png

RED = open_image(png(COLOURS["red"], shade=99))
ASKED = "There is a defect in the object. What is the effect of the defect?"


LAYOUT = re.compile(
    r"Notes on the product that the picture probably shows: |Possible defect: |\[\d+\] (?:(?:View|Structure|"
    r"Function|Tolerated|Where|Likely cause|Effect): )?"
)
"""What a line of the block begins with before its words; other lines are the same whatever was found."""


class Finds:
    """A retriever that finds what it is told."""

    identity = "finds"

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    def retrieve(self, question: str, picture: EncodedImage | None, references: object = ()) -> Knowledge:
        return self.knowledge


def found(texts: list[str], *products: str, entry: str = "crack", title: str = "Crack") -> Knowledge:
    outcome = RouteOutcome.NEAR_TIE if len(products) == 2 else RouteOutcome.PRODUCT
    hits = [
        Hit(Passage(f"{product}/{entry}/cause/{n}", product, entry, Field.CAUSE, title, text), 1.0)
        for product in products
        for n, text in enumerate(texts)
    ]
    return Knowledge(Route(outcome, (), products, 0.7), tuple(hits), "f" * 64)


# --- filler


def test_filler_is_as_long_as_what_was_found_and_laid_out_alike(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    clip = ClipRetriever(index, encoder=encoder)
    true, filler = clip.retrieve(ASKED, RED), FillerRetriever(clip).retrieve(ASKED, RED)
    lines = [knowledge_text(item).split("\n") for item in (true, filler)]
    assert len(lines[0]) == len(lines[1]) > 10
    for one, other in zip(*lines, strict=True):
        assert estimate_tokens(one) == estimate_tokens(other)
        start = LAYOUT.match(one)
        assert other.startswith(start.group() if start else one)
    assert [hit.passage.field for hit in filler.hits] == [hit.passage.field for hit in true.hits]
    assert [hit.score for hit in filler.hits] == [hit.score for hit in true.hits]
    assert (filler.route.outcome, filler.route.confidence) == (true.route.outcome, true.route.confidence)
    assert filler.source == true.source


def test_filler_says_nothing_of_what_was_found(index: KnowledgeIndex, encoder: Encoder) -> None:
    clip = ClipRetriever(index, encoder=encoder)
    true, filler = clip.retrieve(ASKED, RED), FillerRetriever(clip).retrieve(ASKED, RED)
    assert filler.route.candidates == ()
    assert filler.route.second_look is None
    said = {word for hit in true.hits for word in content_words(f"{hit.passage.title} {hit.passage.text}")}
    titles = " ".join(hit.passage.title for hit in filler.hits if hit.passage.entry != NORMAL_ENTRY)
    texts = " ".join(hit.passage.text for hit in filler.hits)
    assert not set(content_words(f"{titles} {texts} {' '.join(filler.route.products)}")) & said


def test_filler_differs_from_question_to_question_and_is_the_same_for_the_same(
    index: KnowledgeIndex, encoder: Encoder
) -> None:
    filler = FillerRetriever(ClipRetriever(index, encoder=encoder))
    first = filler.retrieve(ASKED, RED)
    again = FillerRetriever(ClipRetriever(index, encoder=encoder)).retrieve(ASKED, RED)
    assert first == again
    others = [filler.retrieve(f"{ASKED} {n}", RED).hits[0].passage.text for n in range(8)]
    assert len(set(others)) > 3


def test_filler_of_a_near_tie_names_two_neutral_products() -> None:
    filler = FillerRetriever(Finds(found(["It was dropped."], "red_disc", "pcb1")))
    first, second = filler.retrieve("?", None).route.products
    assert len({*first.split("_"), *second.split("_")} & set(NOUNS)) == 4
    assert first != second
    block = knowledge_text(filler.retrieve("?", None))
    assert estimate_tokens(block) == estimate_tokens(knowledge_text(filler.retriever.retrieve("?", None)))


def test_filler_of_nothing_is_nothing() -> None:
    nothing = Knowledge(Route(RouteOutcome.UNKNOWN, (), (), 0.2), (), "f" * 64)
    assert FillerRetriever(Finds(nothing)).retrieve("?", RED) == nothing


@given(st.lists(st.integers(1, 700), min_size=1, max_size=6), st.integers(1, 12), st.text(max_size=5))
def test_filler_has_the_length_of_any_text(sizes: list[int], title: int, asked: str) -> None:
    """To the token, from one word to texts longer than the neutral one."""
    true = found(["word " * size for size in sizes], "a_b_c", title="x " * title)
    filler = FillerRetriever(Finds(true)).retrieve(asked, None)
    assert [estimate_tokens(hit.passage.text) for hit in filler.hits] == sizes
    assert {estimate_tokens(hit.passage.title) for hit in filler.hits} == {title}
    assert all(hit.passage.text.strip() for hit in filler.hits)
    assert ".." not in " ".join(hit.passage.text for hit in filler.hits)
    assert estimate_tokens(knowledge_text(filler)) == estimate_tokens(knowledge_text(true))


def test_filler_comes_as_near_as_words_allow_by_a_counter_that_splits_them() -> None:
    """By letters no word is one token: never above, and less than a word below; one word is always said."""
    letters = NamedCounter("letters", len)
    true = found(["x" * 100, "x"], "nut", title="y" * 30)
    filler = FillerRetriever(Finds(true), counter=letters)
    texts = [hit.passage.text for hit in filler.retrieve("?", None).hits]
    assert 88 < len(texts[0]) <= 100
    assert len(texts[1].split()) == 1
    assert "counter=letters" in filler.identity


def test_the_neutral_text_is_made_of_single_tokens_without_signs() -> None:
    for sentence in SENTENCES:
        assert sentence.endswith(".")
        assert estimate_tokens(sentence) == len(sentence.split()) + 1
    assert all(estimate_tokens(noun) == 1 for noun in NOUNS)
    assert len(set(NOUNS)) == len(NOUNS)


@pytest.mark.slow
def test_the_neutral_text_holds_no_word_of_a_shipped_products_or_defects_name() -> None:
    names: set[str] = set()
    for product in load_knowledge(shipped_knowledge()).products:
        names.update(content_words(f"{product.product} {product.visual.name}".replace("_", " ")))
        names.update(word for defect in product.defects for word in content_words(defect.name))
    assert not set(content_words(" ".join((*SENTENCES, *NOUNS)))) & names


@pytest.mark.shared
@needs_shared
def test_the_neutral_text_holds_no_word_of_an_option_of_mmad() -> None:
    records = json.loads((MMAD / "mmad.json").read_text())
    words = {
        word
        for record in records.values()
        for asked in record["conversation"]
        for option in asked["Options"].values()
        for word in content_words(option)
    }
    assert len(words) > 2000
    assert not set(content_words(" ".join((*SENTENCES, *NOUNS)))) & words


def test_a_reader_learns_nothing_from_filler(index: KnowledgeIndex, encoder: Encoder) -> None:
    filler = FillerRetriever(ClipRetriever(index, encoder=encoder)).retrieve(ASKED, RED)
    choices = (Choice("A", "Splinters can hurt a child."), Choice("B", "The disc looks dirty."))
    assert choice_scores(choices, filler) == (0.0, 0.0)


# --- everything


def test_all_shows_every_passage_of_the_true_product_in_order(index: KnowledgeIndex) -> None:
    """No encoder is needed: nothing is looked for."""
    (arm,) = build_arms(["all"], scripted("A"), index, retrieval=RetrievalConfig(budget=1))
    reply = asyncio.run(arm.model_for(question("VisA/blue_bar/test/bad/0.png")).answer(Prompt("?", None)))
    assert reply.knowledge is not None
    passages = [hit.passage for hit in reply.knowledge.hits]
    assert passages == [item for item in index.passages if item.product == "blue_bar"]
    assert len(passages) == 17
    assert reply.knowledge.route.products == ("blue_bar",)


def test_what_the_context_has_no_room_for_is_refused_and_not_cut(index: KnowledgeIndex) -> None:
    block = knowledge_text(WholeProductRetriever(index, "red_disc").retrieve("?", None))
    size = estimate_tokens(block)
    WholeProductRetriever(index, "red_disc", context=size)
    with pytest.raises(SpecError, match=f"red_disc has {size} tokens .estimate., more than .* {size - 1};"):
        WholeProductRetriever(index, "red_disc", context=size - 1)


def test_too_short_a_context_is_refused_before_anything_is_asked(
    index: KnowledgeIndex, encoder: Encoder, tmp_path: Path
) -> None:
    benchmark, model = load_questions(make_benchmark(tmp_path / "data")), scripted("A")
    arms = build_arms(["none", "all"], model, index, context=40, retrieval=RetrievalConfig(encoder=encoder))
    with pytest.raises(SpecError, match="give a longer --context"):
        asyncio.run(run_arms(benchmark, arms, out=tmp_path / "out"))
    assert model.prompts == []
    assert not (tmp_path / "out").exists()


def test_all_refuses_a_product_that_is_not_in_the_index(index: KnowledgeIndex) -> None:
    with pytest.raises(InputError, match="holds no product 'zipper'; it holds blue_bar"):
        WholeProductRetriever(index, "zipper")


@pytest.mark.parametrize("name", ["oracle", "lookalike", "all"])
def test_arms_given_the_product_show_nothing_of_one_that_the_index_does_not_hold(
    index: KnowledgeIndex, encoder: Encoder, name: str
) -> None:
    (arm,) = build_arms([name], scripted("A"), index, retrieval=RetrievalConfig(encoder=encoder))
    reply = asyncio.run(arm.model_for(question("VisA/zipper/test/bad/0.png")).answer(Prompt("?", RED)))
    assert reply.knowledge is not None
    assert (reply.knowledge.hits, reply.knowledge.route.products) == ((), ())


# --- look-alikes


def moved(
    index: KnowledgeIndex, references: dict[str, list[float]], keys: dict[str, list[float]]
) -> KnowledgeIndex:
    """The tiny world with the vectors of its products set by hand."""
    return dataclasses.replace(
        index,
        references=tuple(item for item in index.references if item.product in references),
        reference_vectors=np.array(
            [references[item.product] for item in index.references if item.product in references], np.float32
        ).reshape(-1, 3),
        keys=tuple(item for item in index.keys if item.product in keys),
        key_vectors=np.array(
            [keys[item.product] for item in index.keys if item.product in keys], np.float32
        ).reshape(-1, 3),
    )


NEAR_BLUE = {"red_disc": [1.0, 0.0, 0.2], "blue_bar": [0.9, 0.1, 0.4], "green_square": [0.0, 1.0, 0.0]}
NEAR_GREEN = {"red_disc": [1.0, 0.3, 0.0], "green_square": [0.9, 0.4, 0.0], "blue_bar": [0.0, 0.0, 1.0]}


@pytest.mark.parametrize(
    ("references", "keys", "expected"),
    [
        (NEAR_BLUE, NEAR_GREEN, "blue_bar"),  # images before texts
        ({}, NEAR_GREEN, "green_square"),
        ({"blue_bar": [1.0, 0.0, 0.0]}, NEAR_GREEN, "green_square"),  # it has no image of its own
        ({"red_disc": [1.0, 0.0, 0.0]}, NEAR_GREEN, "green_square"),  # no other has an image
        ({}, {}, "blue_bar"),  # nothing to compare: the first by name
    ],
)
def test_the_look_alike_is_the_nearest_by_the_first_kind_of_evidence_shared(
    index: KnowledgeIndex, references: dict[str, list[float]], keys: dict[str, list[float]], expected: str
) -> None:
    changed = moved(index, references, keys)
    assert nearest_product(changed, "red_disc") == expected


def test_what_the_files_tell_apart_comes_first(world: World, encoder: Encoder, tmp_path: Path) -> None:
    """red_disc names green_square, though blue_bar's images are nearer; green_square is named by it."""
    folder = tmp_path / "knowledge"
    folder.mkdir()
    for path in world.knowledge.glob("*.yaml"):
        told = "tell_apart:\n  - product: green_square\n    how: [It is round.]\n"
        text = (
            path.read_text()
            if path.stem != "red_disc"
            else path.read_text().replace("defects:", told + "defects:")
        )
        (folder / path.name).write_text(text)
    index = KnowledgeIndex.build(folder, encoder, references=world.references)
    changed = moved(index, NEAR_BLUE, {})
    assert nearest_product(changed, "red_disc") == "green_square"
    assert nearest_product(changed, "green_square") == "red_disc"
    assert nearest_product(changed, "blue_bar") == "red_disc"


def test_a_look_alike_needs_a_second_product(index: KnowledgeIndex) -> None:
    with pytest.raises(SpecError, match="no product but red_disc; a look-alike needs a second one"):
        nearest_product(index.remove("blue_bar", "green_square"), "red_disc")


@pytest.mark.parametrize("name", ["wrong", "lookalike"])
def test_knowledge_of_another_product_is_of_one_product_and_never_the_true_one(
    index: KnowledgeIndex, encoder: Encoder, name: str
) -> None:
    (arm,) = build_arms([name], scripted("A"), index, retrieval=RetrievalConfig(encoder=encoder))
    for product in index.products:
        item = question(f"VisA/{product}/test/bad/000.png")
        reply = asyncio.run(arm.model_for(item).answer(Prompt(ASKED, RED)))
        assert reply.knowledge is not None
        (other,) = reply.knowledge.route.products
        assert other != product
        assert {hit.passage.product for hit in reply.knowledge.hits} == {other}


# --- no image


def test_blind_shows_what_rag_shows_without_the_picture(index: KnowledgeIndex, encoder: Encoder) -> None:
    rag_model, blind_model = scripted("A", "rag"), scripted("A", "blind")
    prompt = Prompt(ASKED, RED, (), (RED,))
    for name, model in (("rag", rag_model), ("blind", blind_model)):
        (arm,) = build_arms([name], model, index, retrieval=RetrievalConfig(encoder=encoder))
        asyncio.run(arm.model_for(question("VisA/red_disc/test/bad/0.png")).answer(prompt))
    (seen,), (blind,) = rag_model.prompts, blind_model.prompts
    assert blind == dataclasses.replace(seen, image=None, references=())
    assert blind.knowledge is not None
    assert blind.knowledge.route.products == ("red_disc",)


def test_a_blind_model_says_so() -> None:
    assert BlindModel(ReaderModel()).identity == "blind/builtin:reader/2"


# --- together


def test_all_nine_arms_in_one_run_are_kept_and_continued(
    index: KnowledgeIndex, encoder: Encoder, tmp_path: Path
) -> None:
    names = ["none", "rag", "oracle", "wrong", "lookalike", "filler", "all", "blind", "blind-none"]
    benchmark, model = load_questions(make_benchmark(tmp_path / "data", images=1)), scripted("A")
    for expected in (9 * 18, 0):
        arms = build_arms(names, model, index, retrieval=RetrievalConfig(encoder=encoder))
        result = asyncio.run(run_arms(benchmark, arms, out=tmp_path / "out", settings=RunSettings(shots=1)))
        assert len(model.prompts) == expected
        assert result.progress.failed == 0
        model.prompts.clear()
    run = read_run(tmp_path / "out")
    assert [row.arm for row in run.rows] == names * 18
    assert {arm.model for arm in run.header.arms} == {model.identity}
    for place in range(0, len(run.rows), 9):
        rows = {row.arm: row for row in run.rows[place : place + 9]}
        assert len({row.prompt for row in rows.values()}) == 1
        assert len({row.key for row in rows.values()}) == 9
        assert rows["blind"].passages == rows["rag"].passages
        assert len(rows["filler"].passages) == len(rows["rag"].passages)
        assert set(rows["oracle"].passages) <= set(rows["all"].passages)
