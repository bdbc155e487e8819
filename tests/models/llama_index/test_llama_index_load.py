"""Specs of LlamaIndex's LLMs: the packages they are found in, and the options they take."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    TextBlock,
)
from pydantic import PrivateAttr, SecretStr

from mmad_rag.errors import ExtraError, ModelActionError, ModelRetryError, SpecError
from mmad_rag.models import load_model
from mmad_rag.models.event_loops import BACKGROUND
from mmad_rag.models.llama_index.model import LlamaIndexModel
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import Usage
from tests.house.test_examples import Block, blocks, play
from tests.models.llama_index.llms import Seeing, ask, images_prompt
from tests.support.servers.openai_server import OpenAIServer
from tests.support.warm import Warm

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
