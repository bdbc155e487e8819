"""LiteLLM's proxy before, behind or between our servers, asked by the official client in both its forms."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openai
import pytest
from aiohttp import web

from mmad_rag import RagWrapper
from mmad_rag.errors import ModelActionError, ModelRetryError
from mmad_rag.images import open_image
from mmad_rag.models import ModelOptions
from mmad_rag.models.builtin.scripted import ScriptedModel
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.models.openai.retry import Patience
from mmad_rag.records import Prompt
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream as Target
from tests.serve.neighbours.litellm_proxy import MASTER_KEY, PROGRAM, litellm_proxy
from tests.support.servers.official_client import ask, both_forms, whole_or_streamed
from tests.support.servers.serving import (
    RED,
    Upstream,
    app_server,
    asked,
    completion,
    data_url,
    event,
    image_part,
    text_part,
    upstream_server,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PROGRAM.exists(), reason="LiteLLM is not installed: `make .venv/servers/ready`"),
]
MOCKED = "B: from the gateway"
LIMITS = Limits()
QUESTION = asked(text_part("Is there a crack?"), image_part(data_url(RED)))
BLOCK = "<reference_material>"


@dataclass(frozen=True)
class Chain:
    """Client, `outer`, `gateway`, `inner`, upstream; base URLs without `/v1`."""

    outer: str
    gateway: str
    inner: str
    upstream: Upstream


@pytest.fixture(scope="module")
def servers(retriever: ClipRetriever, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    with (
        upstream_server() as upstream,
        app_server(make_app(retriever, Target(upstream.url, limits=LIMITS), limits=LIMITS)) as inner,
        litellm_proxy(
            tmp_path_factory.mktemp("litellm"),
            {
                "mocked": {"model": "openai/x", "api_key": "none", "mock_response": MOCKED},
                "limited": {
                    "model": "openai/x",
                    "api_key": "none",
                    "mock_response": "litellm.RateLimitError",
                },
                "plain": {"model": "openai/m", "api_key": "sk-up", "api_base": upstream.url},
                "knowing": {"model": "openai/m", "api_key": "sk-up", "api_base": f"{inner}/v1"},
            },
        ) as gateway,
        app_server(make_app(retriever, Target(f"{gateway}/v1", limits=LIMITS), limits=LIMITS)) as outer,
    ):
        yield Chain(outer, gateway, inner, upstream)


@pytest.fixture
def chain(servers: Chain) -> Chain:
    servers.upstream.bodies.clear()
    servers.upstream.headers.clear()
    servers.upstream.behaviour = answer
    return servers


async def answer(request: web.Request) -> web.StreamResponse:
    """`A crack.`, in two pieces where a stream is asked for."""
    if not json.loads(await request.read()).get("stream"):
        return web.json_response(completion("A crack."))
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for piece in (event("A "), event("crack."), b"data: [DONE]\n\n"):
        await response.write(piece)
    return response


def to(model: str, *, stream: bool = False) -> dict[str, Any]:
    return {**QUESTION, "model": model} | ({"stream": True} if stream else {})


@both_forms
@whole_or_streamed
def test_a_gateway_behind_serve_answers_through_it(chain: Chain, form: str, stream: bool) -> None:
    heard = ask(form, chain.outer, to("mocked", stream=stream), MASTER_KEY)
    assert heard.text == MOCKED
    assert heard.headers["x-mmad-rag-product"] == "red_disc"
    assert heard.headers["x-litellm-model-group"] == "mocked"


@both_forms
def test_a_gateways_error_passes_through_serve(chain: Chain, form: str) -> None:
    with pytest.raises(openai.BadRequestError, match="Invalid model name passed in model=nobody") as caught:
        ask(form, chain.outer, to("nobody"), MASTER_KEY)
    assert caught.value.response.headers["x-mmad-rag-product"] == "red_disc"
    with pytest.raises(openai.RateLimitError, match="mock rate limit"):
        ask(form, chain.outer, to("limited"), MASTER_KEY)


@both_forms
@whole_or_streamed
def test_a_gateway_before_serve_passes_the_reply_on_with_our_headers_renamed(
    chain: Chain, form: str, stream: bool
) -> None:
    heard = ask(form, chain.gateway, to("knowing", stream=stream), MASTER_KEY)
    assert heard.text == "A crack."
    assert len(chain.upstream.bodies) == 1
    block, question = chain.upstream.texts()
    assert block.count(BLOCK) == 1
    assert "Notes on the product that the picture probably shows: red" in block
    assert question == "Is there a crack?"
    assert chain.upstream.headers[-1]["authorization"] == "Bearer sk-up"
    assert heard.headers["llm_provider-x-mmad-rag-product"] == "red_disc"
    assert "x-mmad-rag-product" not in heard.headers


@both_forms
@whole_or_streamed
def test_two_serve_chained_through_a_gateway_answer_like_the_upstream(
    chain: Chain, form: str, stream: bool
) -> None:
    direct = ask(form, f"http://127.0.0.1:{chain.upstream.port}", to("m", stream=stream))
    chained = ask(form, chain.outer, to("knowing", stream=stream), MASTER_KEY)
    assert chained.text == direct.text == "A crack."
    assert len(chain.upstream.bodies) == 2
    assert chain.upstream.bodies[-1].decode().count(BLOCK) == 1
    assert chained.headers["x-mmad-rag-outcome"] == "product"
    assert chained.headers["llm_provider-x-mmad-rag-outcome"] == "already-there"


@both_forms
def test_a_wrapped_client_adds_knowledge_before_a_gateway(
    chain: Chain, form: str, retriever: ClipRetriever
) -> None:
    rag = RagWrapper(ScriptedModel("unused"), retriever=retriever)
    place: dict[str, Any] = {"base_url": f"{chain.gateway}/v1", "api_key": MASTER_KEY, "max_retries": 0}

    async def later() -> Any:  # noqa: ANN401 - the SDK's own
        async with openai.AsyncOpenAI(**place) as client:
            return await rag.wrap(client).chat.completions.create(**to("plain"))

    if form == "async":
        reply = asyncio.run(later())
    else:
        with openai.OpenAI(**place) as client:
            reply = rag.wrap(client).chat.completions.create(**to("plain"))
    assert reply.choices[0].message.content == "A crack."
    assert chain.upstream.bodies[-1].decode().count(BLOCK) == 1


def model(chain: Chain, name: str, key: str = MASTER_KEY) -> OpenAIModel:
    options = ModelOptions(base_url=f"{chain.gateway}/v1", api_key=key)
    return OpenAIModel(name, options, patience=Patience(attempts=1))


def prompt() -> Prompt:
    return Prompt(question="Is there a crack?", image=open_image(RED))


def test_our_model_reads_a_gateways_reply_or_usage(chain: Chain) -> None:
    reply = asyncio.run(model(chain, "plain").answer(prompt()))
    assert reply.text == "A crack."
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (1, 1)


def test_a_gateways_rate_limit_passes_with_time(chain: Chain) -> None:
    with pytest.raises(ModelRetryError, match=r"answered HTTP 429 .*mock rate limit"):
        asyncio.run(model(chain, "limited").answer(prompt()))


def test_an_upstreams_401_behind_a_gateway_stops_the_run(chain: Chain) -> None:
    async def refuse(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": {"message": "no such key", "code": "invalid_api_key"}}, status=401)

    chain.upstream.behaviour = refuse
    with pytest.raises(ModelActionError, match=r"answered HTTP 401 .*no such key.*OPENAI_API_KEY"):
        asyncio.run(model(chain, "plain").answer(prompt()))


def test_a_gateway_without_database_calls_a_wrong_key_a_bad_request(chain: Chain) -> None:
    """So the first question alone cannot tell that every other one would fail alike."""
    with pytest.raises(ModelRetryError, match=r"answered HTTP 400 \(No connected db"):
        asyncio.run(model(chain, "plain", key="sk-wrong").answer(prompt()))
