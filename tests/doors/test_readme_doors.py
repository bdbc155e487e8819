"""The README's doors: each block has at most six lines, and the knowledge reaches the model."""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from mmad_rag.benchmark.sample import draw, image_rng
from mmad_rag.index import KnowledgeIndex
from tests.support.paths import ROOT
from tests.support.sample_world import render_small
from tests.support.servers.openai_server import Behaviour, OpenAIServer, Request, replies
from tests.support.servers.server_process import answers
from tests.support.tiny_vlms import qwen2_vl
from tests.support.waiting import wait_for
from tests.support.warm import Warm

PAGE = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = PAGE[PAGE.index("## Ways to ask") : PAGE.index("## Which product, and how sure")]
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
BLOCK = "<reference_material>"


def block(mark: str) -> str:
    """The one block that holds these words."""
    found: str
    (found,) = [text for _, text in BLOCKS if mark in text]
    return found


def answer(request: Request) -> Behaviour:
    """`B [1]`, as a chat completion or as a streamed response."""
    if request.path.endswith("/responses"):
        delta = {"type": "response.output_text.delta", "delta": "B [1]", "sequence_number": 0}
        delta |= {"item_id": "i", "output_index": 0, "content_index": 0, "logprobs": []}
        return Behaviour(body=f"data: {json.dumps(delta)}\n\n".encode(), media_type="text/event-stream")
    return replies("B [1]")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the text assumes to be in the folder."""
    from PIL import Image

    root = tmp_path_factory.mktemp("readme")
    (root / "knowledge").mkdir()
    for name in ("metal_nut", "bottle", "screw"):
        shutil.copy(ROOT / "knowledge" / f"{name}.yaml", root / "knowledge")
        (root / "refs" / name).mkdir(parents=True)
        for number in range(3):
            image = draw(name, "good", image_rng(7, name, "readme", number), 128).image
            Image.fromarray(image).save(root / "refs" / name / f"{number}.png")
    index = KnowledgeIndex.build(root / "knowledge", "builtin:tiny", references=root / "refs")
    index.save(root / "indexes" / "default")
    nut = Image.fromarray(draw("metal_nut", "good", image_rng(8, "metal_nut", "readme", 0), 128).image)
    nut.save(root / "nut.png")
    (root / "images").mkdir()
    for number in range(3):
        nut.save(root / "images" / f"{number}.png")
    return root


@pytest.fixture
def server(openai_server: OpenAIServer, files: Path, monkeypatch: pytest.MonkeyPatch) -> OpenAIServer:
    """The endpoint that the environment names, with the files in the working folder."""
    openai_server.default = answer
    monkeypatch.setenv("OPENAI_API_KEY", "test-key")
    monkeypatch.setenv("OPENAI_BASE_URL", openai_server.url)
    monkeypatch.chdir(files)
    return openai_server


def play(code: str, names: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run a Python block, `await` outside functions allowed as in a notebook; its names."""
    names = {} if names is None else names
    compiled = compile(code, "README.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, names)  # noqa: S307 - our own page
    if inspect.iscoroutine(result):
        asyncio.run(result)
    return names


def shell(warm: Warm, code: str) -> str:
    """Run a shell block; what it printed."""
    done = warm.shell(code)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def knowing(server: OpenAIServer) -> list[bool]:
    """Of each request, whether it carried knowledge about the metal nut."""
    bodies = [json.dumps(request.body) for request in server.requests]
    return [BLOCK in body and "metal nut" in body.lower() for body in bodies]


@contextmanager
def serving(server: OpenAIServer, warm: Warm) -> Iterator[str]:
    """The README's `mmad-rag serve`, in front of the endpoint and on a free port; gives its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    line = block("mmad-rag serve").replace("http://localhost:8000/v1", server.url).strip()
    process = warm.start(*line.split(), "--port", port, folder=Path.cwd())
    try:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "the server answers", process=process)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait()


def test_every_block_has_at_most_six_lines_and_is_run_here() -> None:
    assert [text for _, text in BLOCKS if len(text.splitlines()) > 6] == []
    marks = Path(__file__).read_text(encoding="utf-8")
    used = {block(mark) for mark in re.findall(r"\bblock\(\"([^\"]+)\"\)", marks)}
    assert used == {text for _, text in BLOCKS}
    assert PAGE.count("```python") == SECTION.count("```python")


def test_a_spec(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    play(block("answer.confidence"))
    assert re.match(r"B metal_nut 0\.\d+ B \[1\] \['metal_nut/", capsys.readouterr().out)
    assert knowing(server) == [True]


def test_an_asynchronous_client(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    play(block("AsyncOpenAI()"))
    assert capsys.readouterr().out == "metal_nut B [1]\n"
    assert knowing(server) == [True]


def test_a_wrapped_client(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    names = play(block(".wrap(OpenAI())"))
    assert "content='B [1]'" in capsys.readouterr().out
    play(block("client.responses.create"), names)
    assert capsys.readouterr().out == "B [1]"
    assert knowing(server) == [True, True]


@pytest.mark.slow
def test_the_server_by_curl_or_by_the_sdk(
    server: OpenAIServer, warm: Warm, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(server, warm) as base:
        told = shell(warm, block("curl -si").replace("http://127.0.0.1:8080/v1", base))
        play(block("OpenAI(base_url").replace("http://127.0.0.1:8080/v1", base))
    assert told.startswith("HTTP/1.1 200")
    assert "x-mmad-rag-product: metal_nut" in told
    assert '"content": "B [1]"' in told
    assert "content='B [1]'" in capsys.readouterr().out
    assert knowing(server) == [True, True]


def test_llama_index(
    server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from llama_index.core import Settings
    from llama_index.core.llms import ChatMessage, ChatResponse, LLMMetadata, MockLLM

    class Seeing(MockLLM):  # type: ignore[misc] # LlamaIndex is not type-checked here
        @property
        def metadata(self) -> Any:  # noqa: ANN401 - as its base class has it
            return LLMMetadata(is_chat_model=True)

        def chat(self, messages: Any, **_options: Any) -> Any:  # noqa: ANN401
            shown = " ".join(str(part) for message in messages for part in message.blocks)
            said = f"{BLOCK in shown} {'metal_nut' in shown}"
            return ChatResponse(message=ChatMessage(said, role="assistant"))

    monkeypatch.setattr(Settings, "_llm", Seeing())
    play(block("RagWrapper(Settings.llm"))
    assert capsys.readouterr().out.startswith("True ")
    play(block("RetrieverQueryEngine.from_args"))
    assert capsys.readouterr().out == "False True\n"
    assert server.requests == []


def test_a_checkpoint(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path("checkpoints/qwen2-vl")
    folder.mkdir(parents=True)
    qwen2_vl(folder)
    names = play(block("transformers:@"))
    assert names["rag"].ask("nut.png", "Is there a defect?").product == "metal_nut"
    assert capsys.readouterr().out
    assert server.requests == []


def test_a_callable(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    play(block("def my_model"))
    assert capsys.readouterr().out == "I was shown 3 parts.\n"
    assert server.requests == []


def test_the_messages_alone(server: OpenAIServer) -> None:
    names = play(block(".augment("))
    first, *rest = names["messages"][0]["content"]
    assert first["text"].startswith(BLOCK)
    assert rest == names["parts"]
    assert server.requests == []


def test_many_questions(server: OpenAIServer, capsys: pytest.CaptureFixture[str]) -> None:
    play(block("ask_many"))
    assert capsys.readouterr().out == "0.png B [1]\n1.png B [1]\n2.png B [1]\n"
    assert knowing(server) == [True, True, True]


@pytest.mark.slow
def test_the_command_line(server: OpenAIServer, warm: Warm, files: Path) -> None:
    render_small(files / "MMAD")
    told = shell(warm, block("mmad-rag ask"))
    assert "choice: B" in told
    assert "metal_nut" in told
    assert "Percent right of 20 questions" in told
    asked, *evaluated = server.requests
    assert any(BLOCK in text for text in asked.texts())
    assert len(evaluated) == 40
    knowing = [text for request in evaluated for text in request.texts() if BLOCK in text]
    assert 10 <= len(knowing) <= 20  # of the three products, the index knows the bottle
    assert sum("shows: bottle" in text for text in knowing) >= 10


@pytest.mark.slow
def test_a_benchmark_in_one_call(
    server: OpenAIServer, files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    render_small(files / "MMAD")
    play(block("import evaluate"))
    assert "Percent right of 110 questions" in capsys.readouterr().out
    assert "<html" in (files / "first.html").read_text(encoding="utf-8")
    assert len(server.requests) == 330
