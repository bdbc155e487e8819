"""LlamaIndex's LLMs as models: what they are shown, what their replies become, and what goes wrong."""

from __future__ import annotations

import asyncio
import importlib
import math
import re
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    CompletionResponse,
    CompletionResponseGen,
    ImageBlock,
    LLMMetadata,
    LogProb,
    TextBlock,
)
from llama_index.core.llms import CustomLLM, MockLLM
from pydantic import Field, PrivateAttr, SecretStr

from mmad_rag.errors import ExtraError, InputError, ModelActionError, ModelError, ModelRetryError, SpecError
from mmad_rag.models import load_model
from mmad_rag.models.event_loops import BACKGROUND
from mmad_rag.models.llama_index.model import LlamaIndexModel
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import MediaType, Prompt, Reply, Usage
from tests.house.test_examples import Block, blocks, play
from tests.support.servers.openai_asking import CHOICES, picture
from tests.support.servers.openai_server import OpenAIServer
from tests.support.warm import Warm

CHAT = LLMMetadata(model_name="seer-1", is_chat_model=True)


class Blocking(CustomLLM):  # type: ignore[misc] # LlamaIndex is not type-checked here
    """Sees images, but has a blocking `chat` only."""

    temperature: float = 0.0
    api_key: str = "sk-very-secret"
    more: dict[str, Any] = Field(default_factory=dict)
    response: ChatResponse = ChatResponse(message=ChatMessage("B", role="assistant"))
    raises: Any = None
    _seen: list[Sequence[ChatMessage]] = PrivateAttr(default_factory=list)
    _under_way: list[int] = PrivateAttr(default_factory=list)
    _wait: threading.Event | None = PrivateAttr(default=None)

    @property
    def metadata(self) -> LLMMetadata:
        return CHAT

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:  # noqa: ANN401
        return CompletionResponse(text=prompt)

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:  # noqa: ANN401
        raise NotImplementedError

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ANN401
        self._seen.append(messages)
        self._under_way.append(1)
        if self._wait is not None:
            assert self._wait.wait(60)
        assert len(self._under_way) == 1, "two at a time"
        self._under_way.clear()
        if self.raises is not None:
            raise self.raises
        return self.response


class Seeing(Blocking):
    """Has an `achat` of its own; remembers its loops."""

    _loops: list[asyncio.AbstractEventLoop] = PrivateAttr(default_factory=list)
    sleeps: float = 0.0

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ANN401
        self._loops.append(asyncio.get_running_loop())
        await asyncio.sleep(self.sleeps)
        return self.chat(messages)


def images_prompt() -> Prompt:
    known = picture(b"known", MediaType.PNG)
    return Prompt("Is there a defect?", picture(b"query", MediaType.JPEG), CHOICES, (known,))


def ask(llm: Any, prompt: Prompt | None = None, options: ModelOptions | None = None) -> Reply:  # noqa: ANN401
    return asyncio.run(LlamaIndexModel(llm, options).answer(prompt or images_prompt()))


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


PROVIDER = """
from typing import Any

from pydantic import SecretStr

from tests.models.llama_index.test_llama_index_model import Seeing


class MadeUp(Seeing):
    model: str
    max_tokens: int = 0
    api_base: str = ""
    is_chat_model: bool = False
    token: SecretStr | None = None

    def __init__(self, **named: Any) -> None:
        if named["model"] == "keyless":
            raise ValueError("no key for it")
        super().__init__(**named)


class Other(Seeing):
    model_name: str
"""


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package like those that bring LlamaIndex's providers."""
    import llama_index

    folder = tmp_path / "llama_index" / "llms" / "made_up"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(PROVIDER)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(llama_index, "__path__", [*llama_index.__path__, str(tmp_path / "llama_index")])
    for name in ("llama_index.llms", "llama_index.llms.made_up"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def test_a_spec_makes_the_llm_with_the_options_that_it_has_fields_for(provider: Path) -> None:
    model = load_model(
        "llama_index:made_up/vision-1",
        ModelOptions(
            temperature=0.25,
            max_tokens=9,
            seed=3,
            api_key="sk-given",
            base_url="http://localhost:1/v1",
            deadline_s=5.0,
        ),
    )
    assert isinstance(model, LlamaIndexModel)
    llm = model._llm
    assert (type(llm).__name__, llm.model, llm.temperature, llm.max_tokens) == ("MadeUp", "vision-1", 0.25, 9)
    assert (llm.api_key, llm.api_base, llm.is_chat_model) == ("sk-given", "http://localhost:1/v1", True)
    assert asyncio.run(model.answer(images_prompt())).text == "B"
    other = load_model("llama_index:made_up.Other/vision-2")
    assert isinstance(other, LlamaIndexModel)
    assert other._llm.model_name == "vision-2"
    other._llm.raises = ValueError("odd")
    with pytest.raises(ModelRetryError, match="odd"):
        asyncio.run(other.answer(images_prompt()))


def test_a_secret_that_pydantic_keeps_is_hidden_too(provider: Path) -> None:
    made_up = importlib.import_module("llama_index.llms.made_up")
    llm = made_up.MadeUp(
        model="m", token=SecretStr("hf-hidden-token"), raises=ValueError("hf-hidden-token is bad")
    )
    with pytest.raises(ModelRetryError, match=r"\[hidden\] is bad"):
        ask(llm)


@pytest.mark.parametrize(
    ("spec", "kind", "said"),
    [
        ("made_up", SpecError, "cannot be read; write llama_index:PROVIDER/NAME"),
        ("made-up/x", SpecError, "cannot be read"),
        ("made_up/ ", SpecError, "cannot be read"),
        ("made_up.()/x", SpecError, "names no class after the dot"),
        ("made_up.Nobody/x", SpecError, "has no class Nobody; its LLMs are MadeUp, Other, Seeing"),
        (
            "made_up/keyless",
            ModelActionError,
            r"cannot be made \(no key for it\); set what its provider asks for",
        ),
        ("absent/x", ExtraError, "run `pip install llama-index-llms-absent`"),
    ],
)
def test_specs_that_lead_nowhere_are_told(
    provider: Path, spec: str, kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=said):
        load_model(f"llama_index:{spec}")


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("import nothing_like_it", ExtraError, "needs a library that is not installed .*nothing_like_it"),
        ("raise AttributeError('old')", ExtraError, r"cannot be imported \(old\); run `pip install -U"),
        (
            "from llama_index.core.llms import MockLLM",
            SpecError,
            "which of its classes is meant; its LLMs are none",
        ),
        (
            PROVIDER.replace("MadeUp", "One"),
            SpecError,
            "which of its classes is meant; its LLMs are One, Other",
        ),
        ("class Own: pass\n" + PROVIDER + "\n__all__ = ['Own', 'Other']", None, ""),
    ],
)
def test_packages_that_do_not_fit_are_told(
    provider: Path, code: str, kind: type[Exception] | None, said: str
) -> None:
    (provider / "__init__.py").write_text(code)
    if kind is None:
        assert load_model("llama_index:made_up/x").identity.startswith("llama_index:Other/seer-1")
        return
    with pytest.raises(kind, match=said):
        load_model("llama_index:made_up/x")


def test_prompts_reach_an_endpoint_through_an_llm_of_ones_own(openai_server: OpenAIServer) -> None:
    """The whole way with a real client inside: its connection outlives `asyncio.run`."""
    import openai

    class Calling(Seeing):
        _client: Any = PrivateAttr(default=None)

        async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:  # noqa: ANN401
            content = [
                {"type": "text", "text": block.text}
                if isinstance(block, TextBlock)
                else {"type": "image_url", "image_url": {"url": block.inline_url()}}
                for block in messages[-1].blocks
            ]
            body = [{"role": "user", "content": content}]
            raw = await self._client.chat.completions.create(model="m", messages=body)
            return ChatResponse(message=ChatMessage(raw.choices[0].message.content), raw=raw)

    llm = Calling()
    llm._client = openai.AsyncOpenAI(base_url=openai_server.url, api_key="none", max_retries=0)
    model = LlamaIndexModel(llm)
    replies = [asyncio.run(model.answer(images_prompt())) for _ in range(2)]
    assert [(reply.text, reply.usage, reply.model) for reply in replies] == [
        ("A", Usage(100, 1), "served-model")
    ] * 2
    assert len({request.client_port for request in openai_server.requests}) == 1
    asyncio.run(BACKGROUND.run(llm._client.close))


@pytest.mark.slow
def test_the_pipeline_of_the_examples_runs_as_it_is_written(tmp_path: Path, warm: Warm) -> None:
    """In one process, which loads the encoder's libraries once."""
    code = "\n".join(block.text for block in blocks("llama_index_pipeline.md"))
    lines = play(warm, Block("python", "", code), tmp_path).splitlines()
    shown = [line for line in lines if "I was shown" in line]
    assert re.fullmatch(r"I was shown 0 image\(s\) and \d+ words\.|I was shown \d+ words\.", shown[0])
    assert re.fullmatch(r"I was shown 1 image\(s\) and \d+ words\.", shown[1])
    assert re.search(r"^[1-9]\d* passages, the first: metal_nut/", "\n".join(lines), re.MULTILINE)
    assert re.fullmatch(r"metal_nut \| I was shown 1 image\(s\) and \d+ words\.", shown[2])
