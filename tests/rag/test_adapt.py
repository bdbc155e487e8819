"""RagWrapper's doors: everything that can be asked, every kind of image, one question or many."""

from __future__ import annotations

import asyncio
import base64
import functools
import io
import sys
import threading
from collections.abc import Awaitable, Iterator
from typing import Any, cast

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from mmad_rag import RagWrapper
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import (
    ImageError,
    InputError,
    ModelActionError,
    ModelRetryError,
    ModelSetUpError,
    SpecError,
)
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models import Model, ModelOptions
from mmad_rag.models.adapt import as_model
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.models.callable import CallableModel
from mmad_rag.models.openai.client import ClientModel
from mmad_rag.prompt import knowledge_text
from mmad_rag.rag import Answer, Inquiry
from mmad_rag.records import Knowledge, Prompt, Reply
from mmad_rag.retrieve import ClipRetriever
from tests.support.servers.openai_server import OpenAIServer, drops, fails, hangs, html, json_body, replies
from tests.support.world import COLOURS, World, png

QUESTION = "Is there any defect in the object?"
CHOICES = {"A": "Yes.", "B": "No."}
RED = png(COLOURS["red"], shade=99)


@pytest.fixture
def retriever(index: KnowledgeIndex, encoder: Encoder) -> ClipRetriever:
    return ClipRetriever(index, encoder=encoder)


def client_for(server: OpenAIServer, **options: Any) -> openai.OpenAI:  # noqa: ANN401 - the SDK's own
    return openai.OpenAI(base_url=server.url, api_key="sk-secret", max_retries=0, **options)


def async_client_for(server: OpenAIServer, **options: Any) -> openai.AsyncOpenAI:  # noqa: ANN401
    return openai.AsyncOpenAI(base_url=server.url, api_key="sk-secret", max_retries=0, **options)


def first_text(knowledge: Knowledge) -> str:
    """What stands before the image: texts in a row are sent as one."""
    return f"{knowledge_text(knowledge)}\n\nThe picture to inspect:"


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


# ------------------------------------------------------------------------------------------------- clients


def test_a_client_is_asked_for_the_named_model(openai_server: OpenAIServer, retriever: ClipRetriever) -> None:
    openai_server.default = replies("B", tokens=(120, 2))
    with client_for(openai_server, default_headers={"x-line": "7"}) as client:
        rag = RagWrapper(client, retriever=retriever, model_name="gpt-x")
        answer = rag.ask(RED, QUESTION, CHOICES)
    assert (answer.text, answer.choice, answer.model) == ("B", "B", "served-model")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 120
    (request,) = openai_server.requests
    assert sorted(request.body) == ["messages", "model"]
    assert request.body["model"] == "gpt-x"
    assert request.headers["x-line"] == "7"
    assert answer.knowledge is not None
    assert request.texts()[0] == first_text(answer.knowledge)
    assert rag.model.identity == f"openai:gpt-x at {openai_server.url.removeprefix('http://')}"


def test_sampling_is_sent_and_part_of_the_identity(openai_server: OpenAIServer) -> None:
    with client_for(openai_server) as client:
        model = ClientModel(client, "m", ModelOptions(max_tokens=None, seed=3))
        asyncio.run(model.answer(Prompt(QUESTION, None)))
    assert model.identity.endswith(", temperature=0.0, seed=3")
    assert (openai_server.requests[0].body["temperature"], openai_server.requests[0].body["seed"]) == (0.0, 3)


def test_an_async_client_may_be_asked_in_one_loop_after_another(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    """Each `ask` runs a loop of its own; the caller's client is neither broken nor closed by that."""
    client = async_client_for(openai_server)
    rag = RagWrapper(client, retriever=retriever, model_name="m")
    assert [rag.ask(RED, QUESTION).text for _ in range(3)] == ["A", "A", "A"]

    async def own_use() -> bool:
        await rag.aask(RED, QUESTION)
        await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        still_open = not client.is_closed()
        await client.close()
        return still_open

    assert asyncio.run(own_use())
    assert len(openai_server.requests) == 5


def test_connections_that_the_caller_made_are_used_and_left_open(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    async def ask() -> bool:
        http = httpx.AsyncClient(headers={"x-own": "yes"})
        client = async_client_for(openai_server, http_client=http)
        await RagWrapper(client, retriever=retriever, model_name="m").aask(RED, QUESTION)
        still_open = not http.is_closed
        await http.aclose()
        return still_open

    assert asyncio.run(ask())
    assert openai_server.requests[0].headers["x-own"] == "yes"


@pytest.mark.parametrize(
    ("behaviour", "error", "message"),
    [
        (fails(401), ModelActionError, "check the key"),
        (fails(500), ModelRetryError, "HTTP 500"),
        (fails(400), ModelRetryError, "this question cannot be asked"),
        (html(), ModelActionError, "not a chat completion"),
        (drops(), ModelRetryError, "broke"),
        (hangs(), ModelRetryError, "no answer in time"),
        (json_body({"error": {"message": "boom"}}), ModelRetryError, "boom"),
    ],
)
@pytest.mark.parametrize("make", [client_for, async_client_for])
def test_a_clients_failures_are_ours_and_hide_its_key(
    openai_server: OpenAIServer,
    make: Any,  # noqa: ANN401 - two functions of different types
    behaviour: Any,  # noqa: ANN401
    error: type[Exception],
    message: str,
) -> None:
    openai_server.default = behaviour
    hasty = behaviour.hangs
    model = ClientModel(make(openai_server, timeout=0.2 if hasty else 60.0), "m")
    with pytest.raises(error, match=message) as caught:
        asyncio.run(model.answer(Prompt(QUESTION, None)))
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_client_whose_first_questions_are_all_refused_alike_stops_the_asking(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    openai_server.default = fails(400, "API key not valid")
    with client_for(openai_server) as client:
        rag = RagWrapper(client, retriever=retriever, model_name="m")
        pictures = [png(COLOURS["red"], shade=number) for number in range(20)]
        answers = rag.ask_many([(red, QUESTION) for red in pictures], concurrency=1, progress=False)
    assert [type(answer) for answer in answers] == [ModelRetryError] * 7 + [ModelSetUpError] * 13
    assert len(openai_server.requests) == 8


def test_rate_limits_over_a_client_are_no_refusals_of_the_set_up(
    openai_server: OpenAIServer, retriever: ClipRetriever
) -> None:
    openai_server.default = fails(429)
    with client_for(openai_server) as client:
        rag = RagWrapper(client, retriever=retriever, model_name="m")
        pictures = [png(COLOURS["red"], shade=number) for number in range(12)]
        answers = rag.ask_many([(red, QUESTION) for red in pictures], concurrency=1, progress=False)
    assert [type(answer) for answer in answers] == [ModelRetryError] * 12


def test_half_a_character_cannot_be_sent(openai_server: OpenAIServer) -> None:
    with client_for(openai_server) as client, pytest.raises(ModelRetryError, match="lone surrogate"):
        asyncio.run(ClientModel(client, "m").answer(Prompt("\ud800", None)))


def test_a_client_that_loses_its_key_says_so(openai_server: OpenAIServer) -> None:
    with client_for(openai_server) as client:
        client.api_key = ""
        model = ClientModel(client, "m")
        with pytest.raises(ModelActionError):
            asyncio.run(model.answer(Prompt(QUESTION, None)))


# ---------------------------------------------------------------------------------------------------- many


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
