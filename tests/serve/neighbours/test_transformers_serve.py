"""The server of transformers with tiny checkpoints, asked by our model, then through our endpoint."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openai
import pytest

from mmad_rag import RagWrapper
from mmad_rag.errors import ModelRetryError
from mmad_rag.images import open_image
from mmad_rag.models import ModelOptions
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.models.openai.retry import Patience
from mmad_rag.models.transformers.model import TransformersModel
from mmad_rag.records import Choice, Prompt, Reply
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream
from tests.serve.neighbours.transformers_server import transformers_server
from tests.support.servers.official_client import ask, both_forms, whole_or_streamed
from tests.support.servers.serving import GREEN, RED, app_server, asked, data_url, image_part, text_part
from tests.support.tiny_vlms import FAMILIES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("fastapi") is None,
        reason="transformers' server is not installed: `pip install transformers[serving]`",
    ),
]
LIMITS = Limits()
TOKENS = 12
PLAIN = ModelOptions(max_tokens=TOKENS)
QUESTION = "Is there a crack?"
PROMPT = Prompt(QUESTION, open_image(RED), (Choice("A", "Yes."), Choice("B", "No.")))
every_family = pytest.mark.parametrize("family", FAMILIES)
with_system_role = pytest.mark.parametrize("family", ["qwen2_vl", "idefics3"])


@dataclass(frozen=True)
class Servers:
    """Base URLs without `/v1`, with the checkpoints that both answer with."""

    direct: str
    """The server of transformers."""
    through: str
    """`serve` before it."""
    folders: dict[str, Path]
    """By family; a folder is the name of its model."""


@pytest.fixture(scope="module")
def servers(retriever: ClipRetriever, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    root = tmp_path_factory.mktemp("checkpoints")
    folders = {family: make(root / family) for family, make in FAMILIES.items()}
    with (
        transformers_server(tmp_path_factory.mktemp("server")) as direct,
        app_server(make_app(retriever, Upstream(f"{direct}/v1", limits=LIMITS), limits=LIMITS)) as through,
    ):
        yield Servers(direct, through, folders)


def by_server(servers: Servers, family: str, prompt: Prompt, options: ModelOptions = PLAIN) -> Reply:
    return by_name(servers, str(servers.folders[family]), prompt, options)


def by_name(servers: Servers, name: str, prompt: Prompt, options: ModelOptions = PLAIN) -> Reply:
    there = replace(options, base_url=f"{servers.direct}/v1")
    return asyncio.run(OpenAIModel(name, there, patience=Patience(attempts=1)).answer(prompt))


def in_process(servers: Servers, family: str, prompt: Prompt) -> Reply:
    model = TransformersModel(f"@{servers.folders[family]}", PLAIN)
    return asyncio.run(model.answer(prompt))


def body(servers: Servers, family: str, **more: object) -> dict[str, Any]:
    """A question with an image of the red disc, decoded greedily."""
    question = asked(text_part(QUESTION), image_part(data_url(RED)), temperature=0, max_tokens=TOKENS)
    return {**question, "model": str(servers.folders[family]), **more}


@with_system_role
def test_our_model_gets_the_reply_that_the_checkpoint_gives_in_process(servers: Servers, family: str) -> None:
    """Same text, same token counts, and another reply to another image."""
    replies = []
    for picture in (RED, GREEN):
        prompt = replace(PROMPT, image=open_image(picture))
        served, here = by_server(servers, family, prompt), in_process(servers, family, prompt)
        assert (served.text, served.usage) == (here.text, here.usage)
        assert served.model == f"{servers.folders[family]}@main"
        replies.append(served.text)
    assert replies[0] != replies[1]


@with_system_role
def test_without_a_picture_the_prompts_are_the_same_too(servers: Servers, family: str) -> None:
    """Texts in a row are sent as one, because these templates put nothing between parts."""
    prompt = replace(PROMPT, image=None)
    served, here = by_server(servers, family, prompt), in_process(servers, family, prompt)
    assert served.usage is not None
    assert here.usage is not None
    assert here.usage.prompt_tokens == served.usage.prompt_tokens
    assert by_server(servers, family, prompt).text == served.text != ""


def test_a_template_that_refuses_the_system_role_is_a_500(servers: Servers) -> None:
    """The server does not say why; in process the instruction moves into the user's turn."""
    with pytest.raises(ModelRetryError, match=r"answered HTTP 500 \(Internal Server Error\)"):
        by_server(servers, "llava", PROMPT)
    assert in_process(servers, "llava", PROMPT).text


@every_family
@both_forms
@whole_or_streamed
def test_a_reply_through_serve_is_the_direct_one_to_the_same_knowledge(
    servers: Servers, retriever: ClipRetriever, family: str, form: str, stream: bool
) -> None:
    sent = body(servers, family) | ({"stream": True} if stream else {})
    rag = RagWrapper(ScriptedModel("unused"), retriever=retriever)
    plain = ask(form, servers.direct, sent)
    direct = ask(form, servers.direct, {**sent, "messages": rag.augment(sent["messages"])})
    through = ask(form, servers.through, sent)
    assert through.text == direct.text
    assert through.text not in {plain.text, ""}
    assert through.prompt_tokens == direct.prompt_tokens
    assert plain.prompt_tokens is not None
    assert through.prompt_tokens is not None
    assert through.prompt_tokens > plain.prompt_tokens + 300  # bytes of knowledge
    assert through.headers["x-mmad-rag-product"] == "red_disc"
    assert through.headers["x-mmad-rag-outcome"] == "product"
    assert through.headers["x-request-id"]  # the server's own
    assert "x-mmad-rag-product" not in direct.headers


@both_forms
def test_logprobs_are_left_out_without_a_word(servers: Servers, form: str) -> None:
    asked_for = {"logprobs": True, "top_logprobs": 3}
    with_them = ask(form, servers.through, body(servers, "idefics3", **asked_for))
    assert with_them.logprobs is None
    assert with_them.text == ask(form, servers.through, body(servers, "idefics3")).text


def test_our_model_reports_no_first_tokens_where_logprobs_are_left_out(servers: Servers) -> None:
    reply = by_server(servers, "idefics3", PROMPT, replace(PLAIN, logprobs=3))
    assert reply.first_token is None
    assert reply.text == by_server(servers, "idefics3", PROMPT).text


@both_forms
def test_an_unknown_field_is_a_422_that_names_it(servers: Servers, form: str) -> None:
    sent = body(servers, "idefics3", extra_body={"top_k": 5})
    with pytest.raises(openai.UnprocessableEntityError, match=r"Unexpected fields .*top_k") as caught:
        ask(form, servers.through, sent)
    assert caught.value.response.headers["x-mmad-rag-product"] == "red_disc"


def test_our_model_quotes_the_unknown_field(servers: Servers) -> None:
    words = r"answered HTTP 422 \(Unexpected fields in the request: \{'top_k'\}\)"
    with pytest.raises(ModelRetryError, match=words):
        by_server(servers, "idefics3", PROMPT, replace(PLAIN, extra_body={"top_k": 5}))


@both_forms
def test_an_unknown_model_is_a_500_that_does_not_say_why(servers: Servers, form: str) -> None:
    sent = body(servers, "idefics3", model="nobody")
    with pytest.raises(openai.InternalServerError, match="Internal Server Error") as caught:
        ask(form, servers.through, sent)
    assert caught.value.response.headers["x-mmad-rag-product"] == "red_disc"


def test_our_model_takes_an_unknown_model_for_a_passing_failure(servers: Servers) -> None:
    with pytest.raises(
        ModelRetryError, match=r"answered HTTP 500 \(Internal Server Error\); ask again later"
    ):
        by_name(servers, "nobody", PROMPT)


@both_forms
def test_the_list_of_models_passes_through_serve(servers: Servers, form: str) -> None:
    """It lists the cache of the model hub, which is empty here; folders are not in it."""
    place: dict[str, Any] = {"base_url": f"{servers.through}/v1", "api_key": "none", "max_retries": 0}

    async def later() -> list[Any]:
        async with openai.AsyncOpenAI(**place) as client:
            return [model async for model in client.models.list()]

    if form == "async":
        assert asyncio.run(later()) == []
        return
    with openai.OpenAI(**place) as client:
        assert list(client.models.list()) == []
