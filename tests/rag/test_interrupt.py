"""An interrupt stops what is under way, sends nothing more, and keeps what was answered."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from mmad_rag import KnowledgeIndex, ModelOptions, RagWrapper, RunSettings, evaluate
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.sample import render_sample
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.rag import AskingInterrupted, run_sync
from mmad_rag.retrieve import ClipRetriever
from tests.support.paths import ROOT
from tests.support.servers.openai_server import Behaviour, OpenAIServer, Request, replies
from tests.support.world import World

pytestmark = pytest.mark.slow

ALL = 200
ENOUGH = 6
"""Requests that have arrived when the interrupt comes."""
LATEST_S = 3.0
"""Seconds from an interrupt to the end of the call."""


def in_a_notebook(call: Callable[[], object]) -> None:
    """Call from a cell: a loop is running, and Ctrl-C raises KeyboardInterrupt where the thread is."""

    async def cell() -> None:
        call()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(cell())
    finally:
        loop.close()


def in_a_coroutine(call: Callable[[], object]) -> None:
    """Call from under `asyncio.run`, which answers Ctrl-C by cancelling its task."""

    async def main() -> None:
        call()

    asyncio.run(main())


def in_a_script(call: Callable[[], object]) -> None:
    call()


CALLERS = pytest.mark.parametrize("caller", [in_a_notebook, in_a_coroutine, in_a_script])


@pytest.fixture(autouse=True)
def _ordinary_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def slow_server(openai_server: OpenAIServer) -> OpenAIServer:
    def slowly(_request: Request) -> Behaviour:
        time.sleep(0.1)
        return replies("A")

    openai_server.default = slowly
    return openai_server


class Stop:
    """Sends an interrupt to this process when a condition holds."""

    def __init__(self, when: Callable[[], bool]) -> None:
        self.at = 0.0
        self._thread = threading.Thread(target=self._watch, args=(when,), daemon=True)
        self._thread.start()

    def _watch(self, when: Callable[[], bool]) -> None:
        while not when():
            time.sleep(0.01)
        self.at = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    def took(self) -> float:
        return time.monotonic() - self.at


def models(server: OpenAIServer) -> dict[str, Callable[[], dict[str, Any]]]:
    plain = {"base_url": server.url, "api_key": "key-of-a-test", "max_retries": 0}
    return {
        "a spec": lambda: {
            "model": "openai:m",
            "options": ModelOptions(base_url=server.url, api_key="key-of-a-test"),
        },
        "a client": lambda: {"model": openai.OpenAI(**plain), "model_name": "m"},  # type: ignore[arg-type]
        "an async client": lambda: {"model": openai.AsyncOpenAI(**plain), "model_name": "m"},  # type: ignore[arg-type]
        "a callable": lambda: {"model": openai_callable(server)},
    }


def openai_callable(server: OpenAIServer) -> Callable[[list[Any]], str]:
    client = openai.OpenAI(base_url=server.url, api_key="key-of-a-test", max_retries=0)

    def ask(messages: list[Any]) -> str:
        return client.chat.completions.create(model="m", messages=messages).choices[0].message.content or ""

    return ask


@pytest.mark.parametrize(
    ("kind", "caller"),
    [
        ("a spec", in_a_notebook),
        ("a spec", in_a_coroutine),
        ("a spec", in_a_script),
        ("a client", in_a_notebook),
        ("an async client", in_a_notebook),
        ("a callable", in_a_notebook),
    ],
)
def test_ask_many_stops_at_an_interrupt_and_keeps_its_answers(
    world: World,
    index: KnowledgeIndex,
    encoder: Encoder,
    slow_server: OpenAIServer,
    caller: Callable[[Callable[[], object]], None],
    kind: str,
) -> None:
    made = models(slow_server)[kind]()
    rag = RagWrapper(retriever=ClipRetriever(index, encoder=encoder), **made)
    items = [(world.queries["red_disc"], f"Is there a defect? {number}") for number in range(ALL)]
    stop = Stop(lambda: len(slow_server.requests) >= ENOUGH)
    with pytest.raises(KeyboardInterrupt) as caught:
        caller(lambda: rag.ask_many(items, concurrency=2, progress=False))
    assert stop.took() < LATEST_S
    time.sleep(0.3)  # a request may have been on its way
    sent = len(slow_server.requests)
    time.sleep(0.7)
    assert len(slow_server.requests) == sent < ENOUGH + 6
    assert isinstance(caught.value, AskingInterrupted)
    assert ENOUGH - 2 <= len(caught.value.answers) <= sent
    assert list(caught.value.answers) == sorted(caught.value.answers)
    assert all(getattr(answer, "text", None) == "A" for answer in caught.value.answers.values())


@CALLERS
def test_an_evaluation_stops_at_an_interrupt_and_goes_on_later(
    tmp_path: Path, slow_server: OpenAIServer, caller: Callable[[Callable[[], object]], None]
) -> None:
    render_sample(tmp_path / "data", products=("bottle",), per_defect=1, templates=1, unknown=0)
    KnowledgeIndex.build(
        ROOT / "knowledge", "builtin:tiny", text_encoder="words", references=tmp_path / "data"
    ).save(tmp_path / "index")

    def run() -> object:
        return evaluate(
            tmp_path / "data",
            "openai:m",
            tmp_path / "index",
            arms=("none",),
            settings=RunSettings(limit=20, seed=1),
            options=ModelOptions(base_url=slow_server.url, api_key="key-of-a-test"),
            out=tmp_path / "run",
            concurrency=2,
            progress=False,
        )

    stop = Stop(lambda: len(slow_server.requests) >= ENOUGH)
    with pytest.raises(KeyboardInterrupt):
        caller(run)
    assert stop.took() < LATEST_S
    time.sleep(0.3)
    sent = len(slow_server.requests)
    time.sleep(0.7)
    assert len(slow_server.requests) == sent < ENOUGH + 6
    kept = len(read_run(tmp_path / "run").rows)
    assert ENOUGH - 2 <= kept <= sent
    in_a_notebook(run)
    rows = read_run(tmp_path / "run").rows
    assert len(rows) > kept
    assert len(slow_server.requests) == sent + len(rows) - kept


def test_cancelling_an_await_sends_nothing_more(
    world: World, index: KnowledgeIndex, encoder: Encoder, slow_server: OpenAIServer
) -> None:
    options = ModelOptions(base_url=slow_server.url, api_key="key-of-a-test")
    rag = RagWrapper("openai:m", retriever=ClipRetriever(index, encoder=encoder), options=options)
    items = [(world.queries["red_disc"], f"Is there a defect? {number}") for number in range(ALL)]

    async def main() -> int:
        task = asyncio.create_task(rag.aask_many(items, concurrency=2, progress=False))
        while len(slow_server.requests) < ENOUGH:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.3)
        sent = len(slow_server.requests)
        await asyncio.sleep(0.7)
        return sent

    assert asyncio.run(main()) == len(slow_server.requests) < ENOUGH + 6


def test_what_does_not_stop_holds_an_interrupt_up_for_a_moment_only() -> None:
    """Code of another library may refuse to be cancelled."""
    go_on = threading.Event()

    async def stubborn() -> None:
        while not go_on.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    started = time.monotonic()
    stop = Stop(lambda: time.monotonic() > started + 0.3)
    with pytest.raises(KeyboardInterrupt):
        in_a_notebook(lambda: run_sync(stubborn()))
    assert stop.took() < LATEST_S
    go_on.set()


def test_an_ordinary_result_and_error_pass_through_a_running_loop() -> None:
    async def good() -> int:
        return 3

    async def bad() -> int:
        raise LookupError("this one")

    results: list[object] = []
    in_a_notebook(lambda: results.append(run_sync(good())))
    assert results == [3]
    with pytest.raises(LookupError, match="this one"):
        in_a_notebook(lambda: run_sync(bad()))
