"""Many questions at once: their order, their number at a time, and failures among them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from mmad_rag import RagWrapper
from mmad_rag.errors import (
    ImageError,
    InputError,
    ModelActionError,
    ModelRetryError,
)
from mmad_rag.images import open_image
from mmad_rag.models import Model
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.rag import Answer, Inquiry
from mmad_rag.records import Prompt, Reply
from mmad_rag.retrieve import ClipRetriever
from tests.rag.asking import CHOICES, QUESTION, RED


class Numbered:
    """Replies the question's number, the later ones sooner; counts how many are in it at once."""

    identity = "numbered"

    def __init__(self, errors: dict[int, Exception] | None = None) -> None:
        self.errors = errors or {}
        self.asked: list[int] = []
        self.inside = 0
        self.most = 0

    async def answer(self, prompt: Prompt) -> Reply:
        number = int(prompt.question)
        self.asked.append(number)
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.02 if number % 2 == 0 else 0.001)
        self.inside -= 1
        if number in self.errors:
            raise self.errors[number]
        return Reply(str(number), "numbered")


def test_many_come_back_in_order_and_no_more_at_once_than_allowed(retriever: ClipRetriever) -> None:
    model = Numbered()
    assert isinstance(model, Model)
    rag = RagWrapper(model, retriever=retriever)
    picture = open_image(RED)
    items = [Inquiry(picture, str(number)) for number in range(20)]
    answers = rag.ask_many(items, concurrency=3)
    assert [cast(Answer, answer).text for answer in answers] == [str(number) for number in range(20)]
    assert model.most == 3


def test_items_may_be_tuples_of_any_iterable(retriever: ClipRetriever) -> None:
    rag = RagWrapper(ScriptedModel("A"), retriever=retriever)

    def items() -> Iterator[Any]:
        yield RED, QUESTION
        yield RED, QUESTION, CHOICES, [RED]

    first, second = rag.ask_many(items(), progress=False)
    assert isinstance(first, Answer)
    assert isinstance(second, Answer)
    assert (first.choice, second.choice) == (None, "A")
    assert rag.ask_many([]) == []


def test_one_failure_does_not_lose_the_others(retriever: ClipRetriever) -> None:
    """Neither a failed reply, nor an unreadable image, nor a mistake in the model, nor a wrong item."""
    errors: dict[int, Exception] = {1: ModelRetryError("asleep; ask again"), 3: RuntimeError("a mistake")}
    rag = RagWrapper(Numbered(errors), retriever=retriever)
    items: list[Any] = [(RED, str(number)) for number in range(5)]
    items[2] = ("nowhere.png", "2")
    items.append("no item")
    got = [answer.text if isinstance(answer, Answer) else type(answer) for answer in rag.ask_many(items)]
    assert got == ["0", ModelRetryError, ImageError, RuntimeError, "4", InputError]


def test_what_the_user_must_mend_stops_the_asking_and_keeps_the_answers(retriever: ClipRetriever) -> None:
    model = Numbered({2: ModelActionError("no key; set it")})
    rag = RagWrapper(model, retriever=retriever)
    answers = rag.ask_many([(RED, str(number)) for number in range(6)], concurrency=1)
    assert [isinstance(answer, Answer) for answer in answers] == [True, True, False, False, False, False]
    assert all(isinstance(answer, ModelActionError) for answer in answers[2:])
    assert model.asked == [0, 1, 2]


def test_many_work_inside_a_running_loop_and_awaited(retriever: ClipRetriever) -> None:
    rag = RagWrapper(ScriptedModel("A"), retriever=retriever)

    async def notebook() -> int:
        return len(rag.ask_many([(RED, QUESTION)])) + len(await rag.aask_many([(RED, QUESTION)]))

    assert asyncio.run(notebook()) == 2


def test_a_bound_below_one_is_refused(retriever: ClipRetriever) -> None:
    with pytest.raises(InputError, match="concurrency=0"):
        RagWrapper(ScriptedModel("A"), retriever=retriever).ask_many([], concurrency=0)


def test_the_items_error_reaches_the_caller_at_once(retriever: ClipRetriever) -> None:
    rag = RagWrapper(ScriptedModel("A"), retriever=retriever)

    def items() -> Iterator[Any]:
        yield RED, QUESTION
        raise OSError("the list of questions broke off")

    with pytest.raises(OSError, match="broke off"):
        rag.ask_many(items())


def test_the_bar_is_on_standard_error_of_a_terminal_only(
    retriever: ClipRetriever, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rag = RagWrapper(ScriptedModel("A"), retriever=retriever)
    rag.ask_many([(RED, QUESTION)] * 3)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")
    rag.ask_many([(RED, QUESTION)] * 3, progress=False)
    assert capsys.readouterr().err.strip("\n") == ""
    rag.ask_many([(RED, QUESTION)] * 3)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "3/3" in captured.err
