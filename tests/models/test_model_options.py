"""`--option NAME=VALUE`: what a model is told on the command line."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from mmad_rag.cli.options import model_options
from mmad_rag.errors import InputError, MmadRagError, SpecError
from mmad_rag.models import ModelOptions
from mmad_rag.models.options import USED_BY
from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.servers.openai_server import OpenAIServer, replies
from tests.support.world import World


def test_without_any_the_defaults_stand() -> None:
    assert model_options(None, "openai:m") == model_options([], "openai:m") == ModelOptions()


def test_each_value_becomes_what_its_option_is() -> None:
    given = [
        "temperature=none",
        "max_completion_tokens=4096",
        "reasoning_effort=low",
        "detail=high",
        "system_role=false",
        "image_format=jpeg",
        "image_size=768",
        'extra_body={"top_k": 1, "mm": {"fps": [1, 2]}}',
        "deadline_s=1e2",
    ]
    assert model_options(given, "openai:m", base_url="http://host/v1", logprobs=20) == ModelOptions(
        temperature=None,
        max_completion_tokens=4096,
        reasoning_effort="low",
        detail="high",
        system_role=False,
        image_format="jpeg",
        image_size=768,
        extra_body={"top_k": 1, "mm": {"fps": [1, 2]}},
        deadline_s=100.0,
        base_url="http://host/v1",
        logprobs=20,
    )


def test_a_value_may_hold_an_equals_sign() -> None:
    assert model_options(["organization=a=b"], "openai:m").organization == "a=b"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ("seed", SpecError, "'seed' is not of the form NAME=VALUE with one of organization, project,"),
        ("colour=red", SpecError, "'colour=red' is not of the form NAME=VALUE"),
        ("seed=1.5", SpecError, "--option seed=1.5 cannot be used"),
        ("temperature=hot", SpecError, "--option temperature=hot cannot be used"),
        ("device=none", SpecError, "--option device=None cannot be used"),
        ("extra_body={", SpecError, "--option extra_body is not JSON"),
        ("extra_body=[1]", SpecError, r"--option extra_body=\[1\] cannot be used"),
        ("temperature=-1", InputError, "temperature is -1.0; give a number of at least 0"),
        ("detail=huge", InputError, "detail is huge; give one of auto, low, high"),
        ("api_key=sk-1", SpecError, "api_key is not given by --option; set OPENAI_API_KEY"),
        ("base_url=http://x", SpecError, "base_url is not given by --option; use --base-url"),
    ],
)
def test_what_cannot_be_used_is_told(given: str, error: type[MmadRagError], message: str) -> None:
    spec = "transformers:a/b" if given.startswith("device") else "openai:m"
    with pytest.raises(error, match=message):
        model_options([given], spec)


def test_what_runs_here_is_told_where_and_how() -> None:
    given = ["device=cuda:0", "dtype=bfloat16", "batch=16"]
    assert model_options(given, "transformers:a/b") == ModelOptions(
        device="cuda:0", dtype="bfloat16", batch=16
    )


def test_no_thinking_is_a_word_of_the_endpoints() -> None:
    assert model_options(["reasoning_effort=none"], "openai:m").reasoning_effort == "none"


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ("builtin:reader", "detail=low"),
        ("transformers:a/b", "image_size=9"),
        ("openai:m", "batch=2"),
        ("llama_index:openai/x", "system_role=false"),
    ],
)
def test_what_a_provider_has_no_use_for_is_refused(spec: str, given: str) -> None:
    name, provider = given.partition("=")[0], spec.partition(":")[0]
    with pytest.raises(SpecError, match=f"{provider}: models have no use for --option {name}; leave it out"):
        model_options([given], spec)


def test_the_document_says_who_uses_what() -> None:
    page = (ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]* \| ([^|]*) \|", page, re.MULTILINE))
    providers = sorted(set(USED_BY) - {"builtin"})
    for name in {name for names in USED_BY.values() for name in names}:
        users = [provider for provider in providers if name in USED_BY[provider]]
        said = rows[name].strip()
        assert said == "all" if users == providers else sorted(re.findall(r"`(\w+):`", said)) == users, name


def test_an_option_is_given_once() -> None:
    with pytest.raises(SpecError, match="gives seed twice"):
        model_options(["seed=1", "seed=1"], "openai:m")


def test_every_option_but_key_and_address_can_be_given() -> None:
    """And the document lists each."""
    with pytest.raises(SpecError) as caught:
        model_options(["?"], "openai:m")
    listed = str(caught.value).rpartition("one of ")[2].split(", ")
    assert {*listed, "api_key", "base_url"} == {field.name for field in dataclasses.fields(ModelOptions)}
    page = (ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    assert [name for name in listed if f"| `{name}` |" not in page] == []


def test_ask_sends_what_was_given(openai_server: OpenAIServer, world: World, cli: Cli) -> None:
    openai_server.default = replies("B")
    words = ["ask", world.queries["red_disc"], "Is it good?", "--no-knowledge", "--model", "openai:o9"]
    told = ["-o", "temperature=none", "--option", "max_completion_tokens=99", "-o", "detail=low"]
    ran = cli(*words, *told, "--base-url", openai_server.url, "--json")
    assert json.loads(ran.out)["reply"]["text"] == "B"
    body = openai_server.requests[-1].body
    assert {name: body[name] for name in body if name != "messages"} == {
        "model": "o9",
        "max_completion_tokens": 99,
    }
    content = body["messages"][-1]["content"]
    assert [part["image_url"]["detail"] for part in content if part["type"] == "image_url"] == ["low"]


def test_a_wrong_option_is_told_in_one_message(world: World, cli: Cli) -> None:
    words = ["ask", world.queries["red_disc"], "Is it good?", "--no-knowledge", "--model", "builtin:longest"]
    ran = cli(*words, "-o", "colour=red")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: --option 'colour=red' is not of the form NAME=VALUE")
