"""One question through every door shows a model the same bytes: what is measured is what is shipped."""

from __future__ import annotations

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from mmad_rag import RunSettings, evaluate
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.arms import base_arms
from mmad_rag.benchmark.sample import render_sample
from mmad_rag.images import data_url, open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.models import ModelOptions
from mmad_rag.models.dry_run import CountingModel
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.prompt import knowledge_text
from mmad_rag.rag import RagWrapper
from mmad_rag.records import Knowledge, Prompt, Question, Reply
from mmad_rag.retrieve import token_counter
from mmad_rag.retrieve.config import RequestCounters, RetrievalConfig, counter_for
from mmad_rag.retrieve.llama_index import LlamaIndexRetriever
from mmad_rag.retrieve.oracle import FixedProductRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.servers.openai_server import OpenAIServer
from tests.support.servers.serving import app_server

SPEC = "openai:gpt-4o"
BUDGET = 150
PRODUCTS = ("metal_nut", "bottle")


@dataclass(frozen=True)
class House:
    """A drawn benchmark, its index, and the question that goes through every door."""

    data: Path
    folder: Path
    index: KnowledgeIndex
    question: Question

    @property
    def image(self) -> Path:
        return self.data / self.question.image_path

    @property
    def choices(self) -> dict[str, str]:
        return {choice.letter: choice.text for choice in self.question.choices}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    root = tmp_path_factory.mktemp("house")
    render_sample(root / "data", products=PRODUCTS, per_defect=1, templates=3, unknown=0, size=96)
    (root / "knowledge").mkdir()
    for product in PRODUCTS:
        shutil.copy(ROOT / "knowledge" / f"{product}.yaml", root / "knowledge")
    index = KnowledgeIndex.build(root / "knowledge", "builtin:tiny", references=root / "data")
    index.save(root / "index")
    questions = load_questions(root / "data").questions
    asked = next(item for item in questions if item.type == "Defect Classification")
    return House(root / "data", root / "index", index, asked)


@pytest.fixture
def server(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    return openai_server


def messages(server: OpenAIServer) -> list[Any]:
    """What the endpoint was sent last."""
    sent: list[Any] = server.requests[-1].body["messages"]
    return sent


def block_of(sent: list[Any]) -> str:
    """The text part that holds the knowledge."""
    texts = [part["text"] for part in sent[-1]["content"] if part["type"] in ("text", "input_text")]
    (block,) = [text for text in texts if "<reference_material>" in text]
    return str(block[: block.index("</reference_material>") + len("</reference_material>")])


@pytest.fixture
def shown(house: House, server: OpenAIServer) -> list[Any]:
    """The messages of `RagWrapper(SPEC, index).ask`."""
    RagWrapper(SPEC, house.index, budget=BUDGET).ask(house.image, house.question.text, house.choices)
    return messages(server)


def test_the_estimate_would_show_other_passages(house: House) -> None:
    """Otherwise nothing here could tell the doors apart."""
    image = open_image(house.image)
    exact = RetrievalConfig.for_model(SPEC, budget=BUDGET)
    assert exact.counter.name == "o200k_base"
    found = [
        [hit.passage.id for hit in config.clip(house.index).retrieve(house.question.text, image).hits]
        for config in (exact, RetrievalConfig(budget=BUDGET))
    ]
    assert found[0] != found[1]


def test_a_wrapper_asks_alike_whatever_it_is_given_as_a_model(
    house: House, server: OpenAIServer, shown: list[Any]
) -> None:
    for model, name in ((OpenAIModel("gpt-4o", ModelOptions()), None), (OpenAI(), "gpt-4o")):
        rag = RagWrapper(model, house.folder, budget=BUDGET, model_name=name)
        rag.ask(house.image, house.question.text, house.choices)
        assert messages(server) == shown


def test_ask_on_the_command_line_asks_alike(
    house: House, server: OpenAIServer, shown: list[Any], cli: Cli
) -> None:
    options = [word for item in house.choices.items() for word in ("--choice", "=".join(item))]
    words = ("ask", house.image, house.question.text, "--model", SPEC, "--index", house.folder)
    assert cli(*words, "--tokens", BUDGET, *options).code == 0
    assert messages(server) == shown


def test_eval_measures_what_is_shipped(
    house: House, server: OpenAIServer, shown: list[Any], cli: Cli, tmp_path: Path
) -> None:
    words = ("eval", "--data", house.data, "--model", SPEC, "--index", house.folder, "--tokens", BUDGET)
    ran = cli(*words, "--arms", "rag,oracle", "--only", house.question.image_path, "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    asked = [request.body["messages"] for request in server.requests[1:]]
    assert asked.count(shown) == 2  # the image is routed right, so that the oracle shows the same
    header = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [arm["counter"] for arm in header["arms"]] == ["o200k_base"] * 2


def test_evaluate_measures_what_is_shipped(
    house: House, server: OpenAIServer, shown: list[Any], tmp_path: Path
) -> None:
    for number, (model, name) in enumerate(((SPEC, None), (OpenAI(), "gpt-4o"))):
        before = len(server.requests)
        evaluate(
            house.data, model, house.index, arms=("rag",), tokens=BUDGET,
            settings=RunSettings(only=house.question.image_path), model_name=name,
            out=tmp_path / str(number), progress=False,
        )  # fmt: skip
        assert [request.body["messages"] for request in server.requests[before:]].count(shown) == 1


def test_a_plan_counts_what_is_shipped(
    house: House, server: OpenAIServer, shown: list[Any], cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    counted = CountingModel.answer

    async def noting(self: CountingModel, prompt: Prompt) -> Reply:
        if prompt.question == house.question.text and prompt.knowledge is not None:
            seen.append(knowledge_text(prompt.knowledge))
        return await counted(self, prompt)

    monkeypatch.setattr(CountingModel, "answer", noting)
    words = ("eval", "--plan", "--data", house.data, "--model", SPEC, "--index", house.folder)
    ran = cli(*words, "--tokens", BUDGET, "--arms", "rag", "--only", house.question.image_path)
    assert ran.code == 0, ran.err
    assert block_of(shown) in seen
    assert len(server.requests) == 1  # that of the fixture


def test_conversations_carry_the_same_block(house: House, server: OpenAIServer, shown: list[Any]) -> None:
    """Through `augment`, a wrapped client and `serve`, each for the model that the request names."""
    part = {"type": "image_url", "image_url": {"url": data_url(open_image(house.image))}}
    asked = [{"role": "user", "content": [part, {"type": "text", "text": house.question.text}]}]
    assert block_of(RagWrapper(SPEC, house.index, budget=BUDGET).augment(asked)) == block_of(shown)

    wrapped = RagWrapper(None, house.index, budget=BUDGET).wrap(OpenAI())
    wrapped.chat.completions.create(model="gpt-4o", messages=asked)  # type: ignore[arg-type] # plain dicts
    assert block_of(messages(server)) == block_of(shown)

    config, limits = RetrievalConfig(budget=BUDGET), Limits()
    app = make_app(
        config.clip(house.index),
        Upstream(server.url, limits=limits),
        limits=limits,
        counters=RequestCounters(config.counter),
    )
    with app_server(app) as base:
        for name, same in (("gpt-4o", True), ("openai/gpt-4o", True), ("some-model", False)):
            body = {"model": name, "messages": asked}
            httpx.post(f"{base}/v1/chat/completions", json=body, trust_env=False).raise_for_status()
            assert (block_of(messages(server)) == block_of(shown)) is same


def test_retrievers_find_the_same_passages(house: House, shown: list[Any], cli: Cli) -> None:
    """`retrieve` on the command line, LlamaIndex's retriever, and the arms of `knowledge measure`."""
    wrapper = RagWrapper(SPEC, house.index, budget=BUDGET)
    knowledge = wrapper.retriever.retrieve(house.question.text, open_image(house.image))
    assert knowledge_text(knowledge) == block_of(shown)
    ids = [hit.passage.id for hit in knowledge.hits]

    words = ("retrieve", house.image, "--question", house.question.text, "--index", house.folder)
    printed = json.loads(cli(*words, "--tokens", BUDGET, "--model", SPEC, "--json").out)
    assert [hit["passage"]["id"] for hit in printed["knowledge"]["hits"]] == ids

    from llama_index.core.schema import QueryBundle

    nodes = LlamaIndexRetriever(house.folder, budget=BUDGET, model=SPEC).retrieve(
        QueryBundle(house.question.text, image_path=str(house.image))
    )
    assert [node.node_id for node in nodes] == ids


def test_knowledge_bases_are_measured_with_the_models_own_tokens(house: House) -> None:
    shown: list[Knowledge | None] = []

    class Noting:
        identity = "noting"
        tokenizer = SPEC

        async def answer(self, prompt: Prompt) -> Reply:
            shown.append(prompt.knowledge)
            return Reply("A", "noting")

    arm, *_ = base_arms(Noting(), {"ours": house.index}, [BUDGET], datasets={})
    asyncio.run(arm.model_for(house.question).answer(Prompt(house.question.text, None)))
    told = FixedProductRetriever(
        house.index, house.question.product, budget=BUDGET, counter=counter_for(SPEC)
    ).retrieve(house.question.text, None)
    assert arm.counter == "o200k_base"
    assert shown[0] is not None
    assert shown[0].hits == told.hits


def test_a_checkpoints_own_tokenizer_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder, and of a name of the model hub whose files are in the cache; nothing is fetched."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import CharDelimiterSplit

    tokenizer = Tokenizer(WordLevel({"[UNK]": 0}, unk_token="[UNK]"))  # noqa: S106 - a token's name
    tokenizer.pre_tokenizer = CharDelimiterSplit("e")
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    assert token_counter(f"transformers:@{folder}").name == "estimate"
    tokenizer.save(str(folder / "tokenizer.json"))
    counter = token_counter(f"transformers:@{folder}")
    assert counter.name.startswith("tokenizer:")
    assert counter("a bent tooth") == 2

    commit = "0" * 40
    cached = tmp_path / "hub" / "models--owner--tiny-vlm"
    (cached / "snapshots" / commit).mkdir(parents=True)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    tokenizer.save(str(cached / "snapshots" / commit / "tokenizer.json"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    hub = ("transformers:owner/tiny-vlm", f"transformers:owner/tiny-vlm@{commit}", "openai:owner/tiny-vlm")
    for name in hub:
        assert token_counter(name).name == counter.name
    for name in ("transformers:owner/absent", "openai:owner/absent", "openai:../x", "openai:@/etc/passwd"):
        assert token_counter(name).name == "estimate"
