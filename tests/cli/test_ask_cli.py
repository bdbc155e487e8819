"""`retrieve`, `ask` and `build-index` on real parts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from tests.support.running import Cli
from tests.support.sample_world import PRODUCTS, Bench
from tests.support.servers.openai_server import OpenAIServer, Request, fails, html, replies
from tests.support.world import World

BLOCK = re.compile(r"\A<reference_material>\n.*\n</reference_material>\n\n", re.DOTALL)


QUESTION = "Is there any defect in the object?"


def test_the_index_is_built_and_described(cli: Cli, world: World, bench: Bench, tmp_path: Path) -> None:
    knowledge = tmp_path / "knowledge"
    knowledge.mkdir()
    for name in (*PRODUCTS, "screw", "tile"):
        shutil.copy(ROOT / "knowledge" / f"{name}.yaml", knowledge)
    build = ("build-index", knowledge, "--encoder", "builtin:tiny")
    ran = cli(*build, "--references", bench.data, "--out", tmp_path / "i")
    assert ran.code == 0
    assert "6 products" in " ".join(ran.out.split())
    assert "12 reference images, by builtin:tiny" in " ".join(ran.out.split())
    assert "no reference image for 2 product(s)" in ran.err
    assert "can never be routed" not in ran.err
    again = cli(*build, "--out", tmp_path / "j", "--json")
    described = json.loads(again.out)
    assert described["counts"]["products"] == 6
    assert described["counts"]["references"] == 0
    assert described["encoder"]["spec"] == "builtin:tiny"
    assert len(described["fingerprint"]) == 64


def test_a_picture_is_routed_and_explained(cli: Cli, bench: Bench) -> None:
    nut = bench.image("DS-MVTec/metal_nut/image/good/000.png")
    ran = cli("retrieve", nut, "--index", bench.index, "--question", "What is the effect of the defect?")
    assert ran.code == 0
    assert ran.out.startswith("product: metal_nut (confidence ")
    assert "margin to the next product" in ran.out
    line = r"metal_nut \+\d\.\d+ text 0\.\d+ \(adds [+-]\d\.\d+\), reference 0\.\d+ \(adds [+-]\d\.\d+\)"
    assert re.search(line, " ".join(ran.out.split()))
    assert "metal_nut/normal/" in ran.out
    found = json.loads(cli("retrieve", nut, "--index", bench.index, "--json").out)
    assert found["knowledge"]["route"]["products"] == ["metal_nut"]
    assert found["knowledge"]["hits"][0]["passage"]["product"] == "metal_nut"


def test_a_picture_of_something_else_is_not_in_the_catalogue(cli: Cli, bench: Bench) -> None:
    stranger = min((bench.data / "unknown").glob("*/*.png"))
    ran = cli("retrieve", stranger, "--index", bench.index)
    assert ran.out.startswith("product: not in the catalogue")
    assert ran.out.rstrip().endswith("knowledge: none is added to the prompt")


def test_a_model_is_asked_with_and_without_knowledge(cli: Cli, bench: Bench) -> None:
    nut = bench.image("DS-MVTec/metal_nut/image/good/000.png")
    words = ("ask", nut, QUESTION, "--index", bench.index, "--choice", "A=Yes.", "--choice", "B=No.")
    ran = cli(*words, "--model", "builtin:scripted/The answer is B.")
    assert ran.code == 0
    assert ran.out.startswith("The answer is B.\nchoice: B\nproduct: metal_nut")
    alone = cli(*words, "--model", "builtin:scripted/I cannot tell.", "--no-knowledge")
    assert alone.out == "I cannot tell.\nchoice: none could be read\n"
    answer = json.loads(cli(*words, "--model", "builtin:scripted/A", "--json", "--reference", nut).out)
    assert answer["choice"] == "A"
    assert answer["reply"]["knowledge"]["route"]["products"] == ["metal_nut"]
    assert (
        cli("ask", nut, "What is it?", "--model", "builtin:scripted/A nut.", "--no-knowledge").out
        == "A nut.\n"
    )


def test_the_two_arms_requests_differ_in_the_knowledge_block_only(
    cli: Cli, bench: Bench, openai_server: OpenAIServer, tmp_path: Path
) -> None:
    openai_server.default = replies("A")
    ran = cli(
        *("eval", "--data", bench.data, "--model", "openai:any", "--base-url", openai_server.url),
        *("--index", bench.index, "--out", tmp_path / "run", "--arms", "none,rag", "--only", "metal_nut"),
        *("--concurrency", 1),
    )
    assert ran.code == 0, ran.err
    pairs = [openai_server.requests[i : i + 2] for i in range(0, len(openai_server.requests), 2)]
    assert len(pairs) > 10
    with_block = 0
    for without, given in pairs:
        plain, shown = texts_and_images(without), texts_and_images(given)
        without_block = [BLOCK.sub("", part) for part in shown]
        with_block += without_block != shown
        assert without_block == plain
        assert sum(part.count("<reference_material>") for part in shown) <= 1
        assert {**without.body, "messages": None} == {**given.body, "messages": None}
    assert with_block > len(pairs) / 2


def texts_and_images(request: Request) -> list[str]:
    """Every text and image of a request, in order."""
    parts: list[str] = []
    for message in request.body["messages"]:
        content = message["content"]
        if isinstance(content, str):
            parts.append(content)
        else:
            parts += [
                part["text"] if part["type"] == "text" else part["image_url"]["url"] for part in content
            ]
    return parts


def test_ask_goes_to_an_openai_compatible_server(cli: Cli, bench: Bench, openai_server: OpenAIServer) -> None:
    openai_server.default = replies("B")
    nut = bench.image("DS-MVTec/metal_nut/image/good/000.png")
    words = ("ask", nut, QUESTION, "--index", bench.index, "--choice", "A=Yes.", "--choice", "B=No.")
    ran = cli(*words, "--model", "openai:any", "--base-url", openai_server.url)
    assert ran.out.startswith("B\nchoice: B\n")
    assert any("<reference_material>" in text for text in openai_server.requests[0].texts())


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [(fails(401), "OPENAI_API_KEY"), (fails(404), "model"), (html(), "OpenAI-compatible")],
)
def test_a_server_that_refuses_stops_the_run_with_one_message(
    cli: Cli, bench: Bench, openai_server: OpenAIServer, tmp_path: Path, behaviour: object, words: str
) -> None:
    openai_server.script(replies("A"), replies("A"))
    openai_server.default = behaviour  # type: ignore[assignment]
    command = (
        *(
            "eval",
            "--data",
            bench.data,
            "--model",
            "openai:any",
            "--base-url",
            openai_server.url,
            "--arms",
            "none",
        ),
        *("--out", tmp_path / "run", "--concurrency", 1, "--only", "bottle"),
    )
    ran = cli(*command)
    assert ran.code == 1
    message = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert len(message) == 1
    assert words in " ".join(ran.err.split())
    assert "Traceback" not in ran.err
    kept = (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()
    assert len(kept) == 2
    openai_server.default = replies("A")
    before = len(openai_server.requests)
    again = cli(*command)
    assert again.code == 0
    assert "2 of " in again.err
    rows = (tmp_path / "run" / "outcomes.jsonl").read_text().splitlines()
    assert len(openai_server.requests) - before == len(rows) - 2
