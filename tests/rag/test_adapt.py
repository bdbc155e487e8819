"""RagWrapper's doors: everything that can be asked, and every kind of image."""

from __future__ import annotations

import base64
import functools
import io
import sys
import threading
from collections.abc import Awaitable
from typing import Any

import numpy as np
import openai
import pytest
from PIL import Image

from mmad_rag import RagWrapper
from mmad_rag.errors import (
    ImageError,
    InputError,
    ModelActionError,
    ModelRetryError,
    SpecError,
)
from mmad_rag.images import open_image
from mmad_rag.models.adapt import as_model
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.models.callable import CallableModel
from mmad_rag.rag import Answer
from mmad_rag.records import Reply
from mmad_rag.retrieve import ClipRetriever
from tests.rag.asking import CHOICES, QUESTION, RED, client_for, first_text
from tests.support.servers.openai_server import OpenAIServer
from tests.support.world import World, png

# -------------------------------------------------------------------------------------------- the answer


def test_an_answer_says_all_that_can_be_read_from_a_reply(retriever: ClipRetriever) -> None:
    rag = RagWrapper(lambda _messages: "The answer is (B), because it is smooth [2][1].", retriever=retriever)
    answer = rag.ask(RED, QUESTION, CHOICES)
    assert isinstance(answer, Reply)
    assert answer.knowledge is not None
    assert answer.choice == "B"
    assert answer.product == "red_disc"
    assert answer.confidence == answer.knowledge.route.confidence > 0
    assert answer.cited == (answer.knowledge.hits[1].passage, answer.knowledge.hits[0].passage)
    times = answer.timings
    assert min(times.open_s, times.look_up_s, times.model_s) > 0
    assert times.total_s == pytest.approx(times.open_s + times.look_up_s + times.model_s)
    assert times.model_s >= answer.latency_s > 0


def test_without_choices_no_choice_is_read(retriever: ClipRetriever) -> None:
    assert RagWrapper(ScriptedModel("B"), retriever=retriever).ask(RED, QUESTION).choice is None


def test_a_reply_that_makes_no_choice_has_none(retriever: ClipRetriever) -> None:
    rag = RagWrapper(ScriptedModel("I cannot tell."), retriever=retriever)
    assert rag.ask(RED, QUESTION, CHOICES).choice is None


def test_a_picture_of_no_known_product_has_no_product_and_no_confidence(retriever: ClipRetriever) -> None:
    answer = RagWrapper(ScriptedModel("A"), retriever=retriever).ask(png((200, 190, 30)), QUESTION, CHOICES)
    assert answer.knowledge is not None
    assert answer.knowledge.hits == ()
    assert (answer.product, answer.confidence, answer.cited) == (None, 0.0, ())


@pytest.mark.parametrize(
    ("question", "choices", "message"),
    [
        (" ", None, "' ' is not a question"),
        (None, None, "None is not a question"),
        (QUESTION, {"a": "Yes."}, "are not letters from A to H"),
        (QUESTION, {"A": ""}, "are not letters from A to H"),
        (QUESTION, {"A": 1}, "are not letters from A to H"),
        (QUESTION, ["Yes.", "No."], "are not letters from A to H"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    retriever: ClipRetriever,
    question: Any,  # noqa: ANN401 - wrong on purpose, like the next
    choices: Any,  # noqa: ANN401
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        RagWrapper(ScriptedModel("A"), retriever=retriever).ask(RED, question, choices)


# ------------------------------------------------------------------------------------------- the images


def _pixels() -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.array(Image.open(io.BytesIO(RED)), np.uint8)


@pytest.mark.parametrize("kind", ["path", "str", "bytes", "pillow", "rgb", "rgba", "data url", "picture"])
def test_every_kind_of_picture_finds_its_product(world: World, retriever: ClipRetriever, kind: str) -> None:
    path = world.queries["red_disc"]
    opaque = np.full((16, 16, 1), 255, np.uint8)
    source: Any = {
        "path": path,
        "str": str(path),
        "bytes": RED,
        "pillow": Image.open(io.BytesIO(RED)),
        "rgb": _pixels(),
        "rgba": np.concatenate([_pixels(), opaque], axis=2),
        "data url": "data:image/png;base64," + base64.b64encode(RED).decode(),
        "picture": open_image(path),
    }[kind]
    inner = ScriptedModel("A")
    assert (
        RagWrapper(inner, retriever=retriever).ask(source, QUESTION, references=[source]).product
        == "red_disc"
    )
    shown = inner.prompts[0].image
    assert shown is not None
    assert (shown.width, shown.height) == (16, 16)
    assert len(inner.prompts[0].references) == 1


@pytest.mark.parametrize("source", [12, None, b"", np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8)])
def test_what_is_no_picture_is_refused(retriever: ClipRetriever, source: Any) -> None:  # noqa: ANN401
    with pytest.raises(ImageError):
        RagWrapper(ScriptedModel("A"), retriever=retriever).ask(source, QUESTION)


def test_a_grey_array_is_a_picture() -> None:
    picture = open_image(np.full((3, 5), 7, np.uint8))
    assert (picture.width, picture.height) == (5, 3)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("data:image/png;base64,@@@", "valid base64"),
        ("data:image/png,plain", "does not say that it holds base64"),
        ("data:", "does not say that it holds base64"),
        ("data:image/png;base64", "does not say that it holds base64"),
        ("DATA:image/png;base64," + base64.b64encode(b"text").decode(), "cannot be read"),
    ],
)
def test_a_broken_data_url_is_refused_and_never_taken_for_a_path(url: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        open_image(url)


def test_a_data_url_may_carry_parameters() -> None:
    url = "data:image/png;charset=utf-8;base64," + base64.b64encode(RED).decode()
    assert open_image(url).data == RED


# ---------------------------------------------------------------------------------------------- callables


def test_a_callable_is_given_messages_with_the_knowledge(retriever: ClipRetriever) -> None:
    seen: list[Any] = []

    def ask(messages: list[Any]) -> str:
        seen.extend(messages)
        return "No."

    rag = RagWrapper(ask, retriever=retriever)
    answer = rag.ask(RED, QUESTION, CHOICES)
    assert (answer.text, answer.choice) == ("No.", "B")
    assert answer.knowledge is not None
    system, user = seen
    assert system["role"] == "system"
    assert user["content"][0] == {"type": "text", "text": first_text(answer.knowledge)}
    assert user["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    assert rag.model.identity.endswith(
        "callable:tests.rag.test_adapt.test_a_callable_is_given_messages_with_the_knowledge.<locals>.ask"
    )


def test_many_may_wait_in_a_plain_function_at_once(retriever: ClipRetriever) -> None:
    """As many as allowed, however few cores the machine has: each waits until all are there."""
    together = threading.Barrier(24, timeout=60)

    def ask(_messages: list[Any]) -> str:
        together.wait()
        return "A"

    answers = RagWrapper(ask, retriever=retriever).ask_many([(RED, QUESTION)] * 24, concurrency=24)
    assert all(isinstance(answer, Answer) for answer in answers)


class Awaited:
    async def __call__(self, messages: list[Any]) -> str:
        return f"{len(messages)} messages"


def returns_awaitable(messages: list[Any]) -> Awaitable[str]:
    return coroutine_function(messages)


async def coroutine_function(messages: list[Any]) -> str:
    return f"{len(messages)} messages"


@pytest.mark.parametrize("ask", [Awaited(), coroutine_function, functools.partial(returns_awaitable)])
def test_a_callable_may_be_asynchronous(retriever: ClipRetriever, ask: Any) -> None:  # noqa: ANN401
    assert RagWrapper(ask, retriever=retriever).ask(RED, QUESTION).text == "2 messages"


def test_an_object_is_named_by_its_class_and_a_name_goes_before() -> None:
    assert CallableModel(Awaited()).identity == "callable:tests.rag.test_adapt.Awaited"
    assert CallableModel(Awaited(), name="mine, v2").identity == "callable:mine, v2"


def test_an_error_of_a_callable_fails_this_question_and_stays_its_cause(retriever: ClipRetriever) -> None:
    def ask(_messages: list[Any]) -> str:
        raise KeyError("tray")

    with pytest.raises(ModelRetryError, match="raised KeyError") as caught:
        RagWrapper(ask, retriever=retriever).ask(RED, QUESTION)
    assert isinstance(caught.value.__cause__, KeyError)


def test_our_own_errors_come_through_a_callable(retriever: ClipRetriever) -> None:
    def ask(_messages: list[Any]) -> str:
        raise ModelActionError("no licence; buy one")

    with pytest.raises(ModelActionError, match="no licence"):
        RagWrapper(ask, retriever=retriever).ask(RED, QUESTION)


def test_a_callable_that_gives_no_text_is_told_what_is_wanted(retriever: ClipRetriever) -> None:
    ask: Any = lambda _messages: None  # noqa: E731 - the wrong type on purpose
    with pytest.raises(ModelActionError, match="gave NoneType where text is wanted"):
        RagWrapper(ask, retriever=retriever).ask(RED, QUESTION)


# ---------------------------------------------------------------------------------------------- recognised


def test_a_llama_index_llm_is_recognised(retriever: ClipRetriever) -> None:
    llms = pytest.importorskip("llama_index.core.llms")
    from mmad_rag.models.llama_index.model import LlamaIndexModel

    rag = RagWrapper(llms.MockLLM(max_tokens=3), retriever=retriever)
    assert isinstance(rag.model, LlamaIndexModel)
    assert "MockLLM" in rag.identity


def test_recognising_loads_no_library() -> None:
    """In a process of its own, because this one has them all."""
    import subprocess

    code = (
        "import sys; from mmad_rag.models.adapt import as_model; as_model(lambda m: 'A'); as_model(None);"
        "print({'openai', 'llama_index'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("source", [3, openai.OpenAI, ScriptedModel, object()])
def test_what_cannot_answer_is_refused(source: Any) -> None:  # noqa: ANN401 - wrong on purpose
    with pytest.raises(InputError, match="is not a model; give a spec such as"):
        as_model(source)


def test_a_client_wants_a_name_and_nothing_else_takes_one(openai_server: OpenAIServer) -> None:
    with pytest.raises(InputError, match="give model_name"):
        as_model(client_for(openai_server))
    with pytest.raises(
        InputError, match="model_name='x' goes with an OpenAI client, and an object of type str"
    ):
        as_model("builtin:longest", model_name="x")
    with pytest.raises(SpecError):
        as_model("nothing:known")


def test_without_a_model_knowledge_can_be_had_but_nobody_asked(retriever: ClipRetriever) -> None:
    rag = RagWrapper(retriever=retriever)
    assert rag.identity.endswith("/no model")
    with pytest.raises(ModelActionError, match="there is no model to ask"):
        rag.ask(RED, QUESTION)


def test_a_llama_index_llm_is_shown_the_knowledge_and_the_picture(retriever: ClipRetriever) -> None:
    """By an LLM of a kind that takes messages as they are."""
    llms = pytest.importorskip("llama_index.core.llms")
    shown: list[Any] = []

    class Seeing(llms.MockLLM):  # type: ignore[misc, name-defined] # LlamaIndex is not type-checked here
        @property
        def metadata(self) -> Any:  # noqa: ANN401 - as its base class has it
            return llms.LLMMetadata(is_chat_model=True)

        def chat(self, messages: Any, **_options: Any) -> Any:  # noqa: ANN401 - as its base class has it
            shown.extend(messages)
            return llms.ChatResponse(
                message=llms.ChatMessage(role="assistant", content="Answer: B, because it is smooth [1].")
            )

    answer = RagWrapper(Seeing(), retriever=retriever).ask(RED, QUESTION, CHOICES)
    assert (answer.choice, answer.product, len(answer.cited)) == ("B", "red_disc", 1)
    assert answer.knowledge is not None
    assert shown[-1].blocks[0].text == first_text(answer.knowledge)
    assert [block.block_type for block in shown[-1].blocks] == ["text", "image", "text"]
