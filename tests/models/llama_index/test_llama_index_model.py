"""LlamaIndex's LLMs as models: what they are shown, what their replies become, and what goes wrong."""

from __future__ import annotations

import asyncio
import math
import threading

import httpx
import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ImageBlock,
    LLMMetadata,
    LogProb,
    TextBlock,
)
from llama_index.core.llms import MockLLM

from mmad_rag.errors import InputError, ModelActionError, ModelError, ModelRetryError
from mmad_rag.models.llama_index.model import LlamaIndexModel
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import Prompt, Reply, Usage
from tests.models.llama_index.llms import Blocking, Seeing, ask, images_prompt
from tests.support.servers.openai_asking import CHOICES


@pytest.mark.parametrize("kind", [Blocking, Seeing])
def test_texts_and_pictures_are_shown_in_order(kind: type[Blocking]) -> None:
    llm = kind()
    reply = ask(llm)
    assert reply.text == "B"
    system, user = llm._seen[0]
    assert (system.role.value, user.role.value) == ("system", "user")
    assert (system.content or "").startswith("You are an inspector")
    kinds = [type(block) for block in user.blocks]
    assert kinds == [TextBlock, ImageBlock, TextBlock, ImageBlock, TextBlock]
    images = [block for block in user.blocks if isinstance(block, ImageBlock)]
    assert [image.resolve_image().read() for image in images] == [b"known", b"query"]
    assert [image.image_mimetype for image in images] == ["image/png", "image/jpeg"]
    assert "A. Yes.\nB. No." in user.blocks[-1].text


def test_a_blocking_llm_is_asked_one_question_at_a_time_beside_the_event_loop() -> None:
    llm = Blocking()
    llm._wait = threading.Event()
    model = LlamaIndexModel(llm)

    async def scenario() -> list[Reply]:
        asked = [asyncio.create_task(model.answer(images_prompt())) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert llm._wait is not None
        llm._wait.set()
        return await asyncio.gather(*asked)

    assert [reply.text for reply in asyncio.run(scenario())] == ["B", "B", "B"]


def test_an_asynchronous_llm_keeps_one_event_loop_however_often_asyncio_runs() -> None:
    """Its client's connections belong to the loop that opened them."""
    llm = Seeing()
    model = LlamaIndexModel(llm)
    for _ in range(2):
        asyncio.run(model.answer(images_prompt()))
    assert len(llm._loops) == 2
    assert llm._loops[0] is llm._loops[1]
    assert not llm._loops[0].is_closed()


class Raw:
    """A provider's own object."""

    def __init__(self, **members: object) -> None:
        self.__dict__.update(members)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        (Raw(model="served", usage=Raw(prompt_tokens=7, completion_tokens=2)), Usage(7, 2)),
        ({"model": "served", "usage": {"input_tokens": 7, "output_tokens": 2}}, Usage(7, 2)),
        ({"model": "served", "prompt_eval_count": 7, "eval_count": 2}, Usage(7, 2)),
        (
            Raw(model="served", usage_metadata={"prompt_token_count": 7, "candidates_token_count": 2}),
            Usage(7, 2),
        ),
        ({"model": "served", "usage": {"input_tokens": "7", "output_tokens": 2}}, None),
    ],
)
def test_token_counts_are_found_where_providers_put_them(raw: object, usage: Usage | None) -> None:
    reply = ask(Blocking(response=ChatResponse(message=ChatMessage("A"), raw=raw)))
    assert (reply.model, reply.usage) == ("served", usage)


def test_what_a_response_lacks_is_left_out() -> None:
    message = ChatMessage(role="assistant", blocks=[])
    reply = ask(Blocking(response=ChatResponse(message=message, additional_kwargs={"prompt_tokens": 1})))
    assert (reply.text, reply.model, reply.usage, reply.first_token) == (
        "",
        "llama_index:Blocking/seer-1",
        None,
        None,
    )


def logprob(token: str, value: float) -> LogProb:
    return LogProb.model_validate({"token": token, "logprob": value})


def test_first_token_probabilities_are_read() -> None:
    first = [logprob("A", math.log(0.5)), logprob("B", math.log(0.25))]
    first += [logprob("B", math.log(0.125)), logprob("C", float("nan"))]
    response = ChatResponse(message=ChatMessage("A"), logprobs=[first, [logprob("x", 0.0)]])
    assert ask(Blocking(response=response)).first_token == pytest.approx({"A": 0.5, "B": 0.375})
    nothing: tuple[list[list[LogProb]], ...] = ([], [[]])
    for empty in nothing:
        assert (
            ask(Blocking(response=ChatResponse(message=ChatMessage("A"), logprobs=empty))).first_token is None
        )


def test_the_identity_holds_the_settings_and_no_secret() -> None:
    one = LlamaIndexModel(Blocking()).identity
    assert one.startswith("llama_index:Blocking/seer-1, settings=")
    assert LlamaIndexModel(Blocking(api_key="sk-another")).identity == one
    assert (
        LlamaIndexModel(Blocking(more={"Api-Key": "x", "api_key": "y"})).identity
        == LlamaIndexModel(Blocking(more={"Api-Key": "x", "api_key": "z"})).identity
    )
    others = [Blocking(temperature=0.5), Blocking(more={"top_p": [0.5, object()]}), Seeing()]
    assert len({one, *(LlamaIndexModel(other).identity for other in others)}) == 4
    assert LlamaIndexModel(MockLLM(max_tokens=3)).identity.startswith("llama_index:MockLLM/unknown, ")


def test_something_else_is_no_llm() -> None:
    with pytest.raises(
        InputError, match="a str is not an LLM of LlamaIndex; give an object of a class such as"
    ):
        LlamaIndexModel("gpt-4o")


def test_an_llm_that_would_drop_the_pictures_is_refused_them() -> None:
    class Unsure(Blocking):
        @property
        def metadata(self) -> LLMMetadata:
            return LLMMetadata(model_name="unsure")

    with pytest.raises(ModelActionError, match="turns messages into plain text and would not see the images"):
        ask(MockLLM(max_tokens=3))
    with pytest.raises(
        ModelActionError, match="not a chat model, and such LLMs drop the images; make it with is_"
    ):
        ask(Unsure())
    assert ask(MockLLM(max_tokens=3), Prompt("Is there a defect?", None, CHOICES)).text == "text text text"
    assert ask(Unsure(), Prompt("Is there a defect?", None, CHOICES)).text == "B"


class StatusError(Exception):
    """As providers' clients raise them."""

    def __init__(self, status: int, message: str = "no luck", *, inside: bool = False) -> None:
        super().__init__(message)
        if inside:
            self.response = httpx.Response(status)
        else:
            self.status_code = status


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def circular() -> Exception:
    one, two = RuntimeError("one"), RuntimeError("two")
    one.__cause__, two.__cause__ = two, one
    return one


@pytest.mark.parametrize(
    ("raised", "kind", "said"),
    [
        (
            StatusError(401, "bad sk-very-secret"),
            ModelActionError,
            r"HTTP 401 \(bad \[hidden\]\); check the key",
        ),
        (
            StatusError(404, inside=True),
            ModelActionError,
            "HTTP 404 .*; check the model name and the address",
        ),
        (caused(ValueError("outer"), StatusError(403)), ModelActionError, "HTTP 403"),
        (StatusError(429, "insufficient_quota"), ModelActionError, "no credit left"),
        (StatusError(429), ModelRetryError, "HTTP 429 .*; ask again later"),
        (StatusError(503), ModelRetryError, "HTTP 503 .*; ask again later"),
        (StatusError(400), ModelRetryError, "HTTP 400 .*; this question cannot be asked like this"),
        (StatusError(200), ModelRetryError, r"gave no reply \(no luck\)"),
        (
            caused(RuntimeError("x"), httpx.ConnectError("refused")),
            ModelActionError,
            r"cannot connect \(refused\); start",
        ),
        (ConnectionRefusedError("no"), ModelActionError, "cannot connect"),
        (ImportError("no torch"), ModelActionError, "install the library that is named there"),
        (NotImplementedError(), ModelActionError, r"\(NotImplementedError\); take an LLM that chats"),
        (ValueError("No API key found for OpenAI."), ModelActionError, "set the API key of its provider"),
        (ValueError("odd\n" + "x" * 400), ModelRetryError, r"\(odd x{296}\.\.\.\); this question"),
        (circular(), ModelRetryError, r"gave no reply \(one\)"),
    ],
)
def test_what_an_llm_raises_is_told_apart(raised: Exception, kind: type[ModelError], said: str) -> None:
    with pytest.raises(kind, match=said):
        ask(Blocking(raises=raised))


def test_an_llm_that_hangs_is_given_up_at_the_deadline() -> None:
    with pytest.raises(ModelRetryError, match=r"gave no answer within 0\.05 s; ask again later"):
        ask(Seeing(sleeps=60.0), options=ModelOptions(deadline_s=0.05))
