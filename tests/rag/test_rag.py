"""RagWrapper: a model around a model that changes one field of the prompt."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from mmad_rag import RagWrapper
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import ImageError, IndexMismatchError, InputError, ModelRetryError
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models import Model
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.rag import run_sync
from mmad_rag.records import Choice, Prompt
from mmad_rag.retrieve import ClipRetriever
from tests.support.world import World

QUESTION = "Is there any defect in the object?"


def test_with_and_without_differ_in_exactly_one_field(world: World, retriever: ClipRetriever) -> None:
    inner = ScriptedModel("A")
    image = open_image(world.queries["red_disc"])
    prompt = Prompt(QUESTION, image, (Choice("A", "Yes."), Choice("B", "No.")))
    reply = asyncio.run(RagWrapper(inner, retriever=retriever).answer(prompt))
    asyncio.run(inner.answer(prompt))
    shown, plain = inner.prompts
    assert shown != plain
    assert dataclasses.replace(shown, knowledge=None) == plain
    assert reply.text == "A"
    assert reply.knowledge == shown.knowledge
    assert reply.knowledge is not None
    assert reply.knowledge.route.products == ("red_disc",)


def test_it_is_a_model_and_can_be_wrapped_again(retriever: ClipRetriever) -> None:
    once = RagWrapper("builtin:scripted/B", retriever=retriever)
    assert isinstance(once, Model)
    twice = RagWrapper(once, retriever=retriever)
    assert twice.identity == f"rag({retriever.identity})/rag({retriever.identity})/{once.model.identity}"


def test_ask_takes_plain_values(world: World, retriever: ClipRetriever) -> None:
    inner = ScriptedModel("B")
    rag = RagWrapper(inner, retriever=retriever)
    path = world.queries["blue_bar"]
    reply = rag.ask(path, QUESTION, {"A": "Yes.", "B": "No."}, [world.references / "blue_bar" / "1.png"])
    assert reply.text == "B"
    assert inner.prompts[0].choices == (Choice("A", "Yes."), Choice("B", "No."))
    assert len(inner.prompts[0].references) == 1
    assert rag.ask(path.read_bytes(), QUESTION).text == "B"


def test_ask_works_inside_a_running_event_loop_as_in_a_notebook(
    world: World, retriever: ClipRetriever
) -> None:
    rag = RagWrapper("builtin:scripted/A", retriever=retriever)

    async def notebook() -> str:
        return rag.ask(world.queries["red_disc"], QUESTION).text

    assert asyncio.run(notebook()) == "A"


def test_an_error_reaches_the_caller_also_through_the_running_loop(
    world: World, retriever: ClipRetriever
) -> None:
    async def fails() -> None:
        raise ModelRetryError("the model is asleep; ask again")

    async def notebook() -> None:
        run_sync(fails())

    with pytest.raises(ModelRetryError, match="asleep"):
        asyncio.run(notebook())
    with pytest.raises(ImageError):
        RagWrapper("builtin:scripted/A", retriever=retriever).ask("nowhere.png", QUESTION)


def test_an_index_is_taken_as_value_or_folder(
    index: KnowledgeIndex, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmad_rag.retrieve.clip.load_encoder", lambda _spec: encoder)
    index.save(tmp_path / "i")
    for given in (index, tmp_path / "i", str(tmp_path / "i")):
        rag = RagWrapper("builtin:longest", given, budget=77)
        assert isinstance(rag.retriever, ClipRetriever)
        assert rag.retriever.budget == 77
        assert rag.retriever.index.fingerprint == index.fingerprint
    with pytest.raises(IndexMismatchError, match="there is no index"):
        RagWrapper("builtin:longest", tmp_path / "none")


def test_an_index_or_a_retriever_not_both_not_neither(
    index: KnowledgeIndex, retriever: ClipRetriever
) -> None:
    with pytest.raises(InputError, match="needs an index or a retriever"):
        RagWrapper("builtin:longest")
    with pytest.raises(InputError, match="one of the two"):
        RagWrapper("builtin:longest", index, retriever=retriever)
