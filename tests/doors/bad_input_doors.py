"""Go through every door with a case of bad input: what comes of it is a cell of docs/BAD_INPUT.md."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import openai
from aiohttp import web
from openai.types.chat import ChatCompletion

from mmad_rag import RagWrapper
from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.errors import DataError, MmadRagError, ModelActionError
from mmad_rag.models import Model, ModelOptions
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.records import Prompt, Reply
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.serve.app import make_app
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.upstream import Upstream as Target
from tests.doors.bad_input import PATIENT_S, UPSTREAMS, Case
from tests.support.bench import YES_NO, arm_of, entry, qa
from tests.support.openai_asking import Naps
from tests.support.serving import RED, Upstream, app_server

NEVER = "–"
"""The case cannot occur at this door."""
_OTHERS = ("Is there a stain?", "Is it smooth?")
_KNOWLEDGE = "the picture probably shows: red disc"

Client: TypeAlias = openai.OpenAI | openai.AsyncOpenAI


class Noting:
    """A model that notes down what it is asked before the model inside is."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.asked: list[str] = []

    @property
    def identity(self) -> str:
        return self.model.identity

    async def answer(self, prompt: Prompt) -> Reply:
        self.asked.append(prompt.question)
        return await self.model.answer(prompt)


@dataclass(frozen=True)
class Doors:
    """All of them, in front of one upstream."""

    upstream: Upstream
    retriever: ClipRetriever
    dead: str
    """A base URL at which nobody listens."""

    def ask_spec(self, case: Case) -> str:
        return self._asked(RagWrapper(self._model(case), retriever=self.retriever), case)

    def ask_client(self, case: Case) -> str:
        return self._each(
            case,
            lambda client: self._asked(RagWrapper(client, retriever=self.retriever, model_name="m"), case),
        )

    def ask_many(self, case: Case) -> str:
        """Three items, of which the first has the bad input; a bad upstream is bad to all."""
        if case.stream:
            return NEVER
        failing = self._failing(case)
        self._script(case)
        noting = Noting(self._model(case))
        first = (case.image(), case.question, None, case.examples())
        items = [first, *((RED, question) for question in _OTHERS)]
        results = RagWrapper(noting, retriever=self.retriever).ask_many(items, concurrency=1, progress=False)
        assert sum(isinstance(result, Exception) for result in results) == failing
        return _went(noting, stopped=all(isinstance(result, ModelActionError) for result in results))

    def evaluate(self, case: Case) -> str:
        """Three questions, likewise; images of a benchmark are files."""
        if case.stream or isinstance(case.image(), str):
            return NEVER
        failing = self._failing(case)
        self._script(case)
        noting = Noting(self._model(case))
        arm = arm_of(RagWrapper(noting, retriever=self.retriever))
        with tempfile.TemporaryDirectory() as folder:
            data, shots = _benchmark(Path(folder), case), len(case.examples())
            try:
                benchmark = load_questions(data)
                settings = RunSettings(shots=shots)
                missing = settings.select(benchmark).missing_questions
                run = run_arms(benchmark, [arm], out=data / "run", settings=settings, concurrency=1)
                ended = asyncio.run(run).progress
            except (ModelActionError, DataError):
                return _went(noting, stopped=True)
        assert ended.done == 3 - missing
        assert ended.failed == failing - missing
        if not case.at_the_model:
            assert self._received(case, question=_OTHERS[-1]) == "knowledge"
        return _went(noting, stopped=False)

    def augment(self, case: Case) -> str:
        if case.at_the_model:
            return NEVER  # nobody is asked
        rag, messages = RagWrapper(retriever=self.retriever), case.body()["messages"]
        try:
            found = rag.consult(messages).messages
        except MmadRagError as error:
            return _name(error)
        assert rag.augment(messages) == found
        return _added(found, messages)

    def wrap(self, case: Case) -> str:
        def call(client: Client) -> str:
            try:
                got = _create(RagWrapper(retriever=self.retriever).wrap(client), case.body())
            except Exception as error:  # the SDK lets errors of other libraries through
                return _name(error)
            return self._got(got, case)

        return self._each(case, call)

    def serve(self, case: Case) -> str:
        def call(client: Client) -> str:
            try:
                got = _create(client, case.body())
            except openai.APIStatusError as error:
                passed_on = error.type == UPSTREAMS
                return f"{error.status_code}" if passed_on else f"{error.status_code} {error.code}"
            except Exception as error:  # as above
                return _name(error)
            return self._got(got, case)

        limits = Limits(timeout_s=case.timeout_s)
        target = Target(self._url(case), limits=limits)
        with app_server(make_app(self.retriever, target, limits=limits)) as base:
            return self._each(replace(case, timeout_s=PATIENT_S), call, f"{base}/v1")

    def _failing(self, case: Case) -> int:
        """How many of three such questions get no reply."""
        fails = self.ask_spec(case).endswith("Error")
        return (3 if case.at_the_model else 1) if fails else 0

    def _script(self, case: Case) -> None:
        async def reply(_request: web.Request) -> web.StreamResponse:
            return web.json_response(case.reply)

        self.upstream.bodies.clear()
        self.upstream.behaviour = case.behaviour or (reply if case.reply is not None else None)

    def _url(self, case: Case) -> str:
        return self.upstream.url if case.runs else self.dead

    def _model(self, case: Case) -> OpenAIModel:
        """Every failure is worth two requests, with no pause between them."""
        options = ModelOptions(base_url=self._url(case), api_key="k", timeout_s=case.timeout_s)
        patience = replace(Naps().patience(), attempts=2, connect_attempts=2)
        return OpenAIModel("m", options, patience=patience)

    def _each(self, case: Case, call: Callable[[Client], str], base: str | None = None) -> str:
        """With a synchronous client and with an asynchronous one; both come to the same."""
        found = []
        for kind in (openai.OpenAI, openai.AsyncOpenAI):
            self._script(case)
            client = kind(
                base_url=base or self._url(case), api_key="k", max_retries=0, timeout=case.timeout_s
            )
            found.append(call(client))
            if isinstance(client, openai.OpenAI):
                client.close()
        assert found[0] == found[1]
        return found[0]

    def _asked(self, rag: RagWrapper, case: Case) -> str:
        if case.stream:
            return NEVER
        self._script(case)
        image: Any = case.image()  # may be none
        try:
            answer = rag.ask(image, case.question, references=case.examples())
        except MmadRagError as error:
            return _name(error)
        if case.at_the_model:
            assert case.reply is not None
            assert answer.text == case.reply["choices"][0]["message"]["content"]
            return "reply"
        assert answer.text == "B"
        return self._received(case, question=case.question)

    def _got(self, got: object, case: Case) -> str:
        """What came of a call that raised nothing."""
        if not case.at_the_model:
            return _added(self._sent(), case.body()["messages"])
        if not isinstance(got, ChatCompletion):
            return type(got).__name__
        assert got.to_dict() == case.reply
        return "reply"

    def _sent(self) -> list[dict[str, Any]]:
        """The messages that the upstream was sent last."""
        messages: list[dict[str, Any]] = json.loads(self.upstream.bodies[-1])["messages"]
        return messages

    def _received(self, case: Case, *, question: str) -> str:
        """Whether what `ask` sent carries knowledge; question and all images are in it in either case."""
        sent = self._sent()
        assert question in _text(sent)
        assert [part["type"] for part in sent[-1]["content"]].count("image_url") == len(case.shown)
        return "knowledge" if _KNOWLEDGE in _text(sent) else "as it came"


def _create(client: Client, body: dict[str, Any]) -> object:
    """What a call gives; a stream is read to its end."""

    async def create(client: openai.AsyncOpenAI) -> object:
        async with client:
            got: Any = await client.chat.completions.create(**body)
            return [chunk async for chunk in got] if "stream" in body else got

    if isinstance(client, openai.AsyncOpenAI):
        return asyncio.run(create(client))
    with client:
        got: Any = client.chat.completions.create(**body)
        return list(got) if "stream" in body else got


def _added(sent: list[Any], given: list[Any]) -> str:
    if sent == given:
        return "as it came"
    first, *rest = sent[0]["content"]
    assert rest == given[0]["content"]
    assert _KNOWLEDGE in first["text"]
    return "knowledge"


def _text(messages: Iterable[Mapping[str, Any]]) -> str:
    """All texts of the user."""
    parts = [part for message in messages if message["role"] == "user" for part in message["content"]]
    return "\n".join(part["text"] for part in parts if part["type"] == "text")


def _went(noting: Noting, *, stopped: bool) -> str:
    """`goes on` where the last question was asked."""
    assert (_OTHERS[-1] in noting.asked) is not stopped
    return "stops" if stopped else "goes on"


def _benchmark(root: Path, case: Case) -> Path:
    """Three images with a question each, in MMAD's layout; the first has the bad input."""
    records: dict[str, Any] = {}
    examples = {f"MVTec-AD/red_disc/train/good/{n}.png": data for n, data in enumerate(case.examples())}
    files: dict[str, object] = dict(examples)
    for number, question in enumerate((case.question, *_OTHERS)):
        path = f"DS-MVTec/red_disc/image/good/{number}.png"
        files[path] = RED if number else case.image()
        records[path] = entry(path, [qa("Anomaly Detection", "B", YES_NO)], templates=list(examples))
        records[path]["conversation"][0]["Question"] = question
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if isinstance(data, bytes):
            (root / name).write_bytes(data)
    (root / "mmad.json").write_text(json.dumps(records))
    return root


def _name(error: Exception) -> str:
    """Ours by their names, those of other libraries with the library's."""
    package = type(error).__module__.partition(".")[0]
    name = type(error).__name__
    return name if package == "mmad_rag" else f"{package}.{name}"


@contextmanager
def dead_address() -> Iterator[str]:
    """A base URL at which nobody listens, and nobody will: the port is taken, but not listened at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
