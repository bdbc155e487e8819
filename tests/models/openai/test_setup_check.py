"""When refusals of questions become a refusal of the whole set-up."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from mmad_rag.benchmark.data.mmad import load_questions
from mmad_rag.benchmark.run.reader import read_run
from mmad_rag.benchmark.run.run_arms import run_arms
from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.errors import ModelActionError, ModelError, ModelRetryError, ModelSetUpError
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.models.openai.setup_check import FAILURES
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import MediaType, Outcome, Prompt, Reply
from tests.support.bench import arm_of, make_benchmark
from tests.support.openai_asking import KEY, Naps, picture, prompt
from tests.support.openai_server import Behaviour, OpenAIServer, fails, replies

REFUSED = fails(400, "API key not valid. Please pass a valid API key.")
"""As an endpoint words it that has no 401."""


def about(number: int) -> Prompt:
    """A question about the image of this number."""
    return Prompt("Is there a defect?", image=picture(f"image {number}".encode(), MediaType.JPEG))


def errors(server: OpenAIServer, *behaviours: Behaviour) -> list[type[ModelError] | None]:
    """What each of so many questions, one after the other, comes to; None is an answer."""
    server.script(*behaviours)
    options = ModelOptions(base_url=server.url, api_key=KEY)
    model = OpenAIModel("m", options, patience=Naps().patience())

    async def one(number: int) -> type[ModelError] | None:
        try:
            await model.answer(about(number))
        except ModelError as error:
            return type(error)
        return None

    async def each() -> list[type[ModelError] | None]:
        return [await one(number) for number in range(len(behaviours))]

    return asyncio.run(each())


def test_the_eighth_of_only_refusals_stops_the_run(openai_server: OpenAIServer) -> None:
    assert FAILURES == 8
    got = errors(openai_server, *[REFUSED] * 8)
    assert got == [ModelRetryError] * 7 + [ModelSetUpError]
    assert issubclass(ModelSetUpError, ModelActionError)


def test_the_message_says_how_many_and_in_which_words(openai_server: OpenAIServer) -> None:
    options = ModelOptions(base_url=openai_server.url, api_key=KEY)
    model = OpenAIModel("m", options)
    openai_server.default = REFUSED
    for number in range(7):
        with pytest.raises(ModelRetryError):
            asyncio.run(model.answer(about(number)))
    with pytest.raises(ModelSetUpError) as caught:
        asyncio.run(model.answer(about(7)))
    place = openai_server.url.removeprefix("http://")
    assert str(caught.value) == (
        f"the questions about the first 8 images all failed alike: {place} answered HTTP 400 "
        "(API key not valid. Please pass a valid API key.); check key, model and options: "
        "does the model take images, and these fields?"
    )


def test_after_one_answer_refusals_are_about_their_questions(openai_server: OpenAIServer) -> None:
    got = errors(openai_server, replies("A"), *[REFUSED] * 12)
    assert got == [None] + [ModelRetryError] * 12


def test_other_words_begin_the_count_anew(openai_server: OpenAIServer) -> None:
    """Prompts that are too long are refused each with its own number."""
    long = [fails(400, f"the prompt has {9000 + number} tokens") for number in range(12)]
    assert errors(openai_server, *long) == [ModelRetryError] * 12
    assert errors(openai_server, *[REFUSED] * 7, long[0], *[REFUSED] * 7) == [ModelRetryError] * 15


def test_a_server_that_fails_alike_each_time_stops_the_run_too(openai_server: OpenAIServer) -> None:
    """After the six requests that each question is worth: some answer an unknown model with 500."""
    openai_server.default = fails(500, "no such model")
    model = OpenAIModel(
        "m", ModelOptions(base_url=openai_server.url, api_key=KEY), patience=Naps().patience()
    )
    for number in range(8):
        expected = ModelRetryError if number < 7 else ModelSetUpError
        with pytest.raises(expected) as caught:
            asyncio.run(model.answer(about(number)))
    assert len(openai_server.requests) == 8 * 6
    assert "the questions about the first 8 images all failed alike" in str(caught.value)
    assert str(caught.value).endswith("Else ask again later, or ask fewer questions at once")


def test_a_failure_that_passes_in_time_is_none(openai_server: OpenAIServer) -> None:
    openai_server.default = fails(500)
    options = ModelOptions(base_url=openai_server.url, api_key=KEY)
    model = OpenAIModel("m", options, patience=Naps().patience())
    for number in range(7):
        with pytest.raises(ModelRetryError):
            asyncio.run(model.answer(about(number)))
    openai_server.script(*[fails(500)] * 5, replies("A"))
    assert asyncio.run(model.answer(about(7))).text == "A"
    for number in range(9):
        with pytest.raises(ModelRetryError):
            asyncio.run(model.answer(about(number)))


def test_what_never_reached_the_endpoint_does_not_count(openai_server: OpenAIServer) -> None:
    options = ModelOptions(base_url=openai_server.url, api_key=KEY)
    model = OpenAIModel("m", options)
    for _ in range(9):
        with pytest.raises(ModelRetryError, match="lone surrogate"):
            asyncio.run(model.answer(prompt("\ud800")))


def test_one_picture_that_is_refused_stops_nothing_however_many_questions_it_has(
    openai_server: OpenAIServer,
) -> None:
    options = ModelOptions(base_url=openai_server.url, api_key=KEY)
    model = OpenAIModel("m", options)
    openai_server.default = fails(413, "too large")
    for number in range(20):
        with pytest.raises(ModelRetryError):
            asyncio.run(model.answer(Prompt(f"Question {number}?", image=about(0).image)))


class Doubtful:
    """A model that answers its first question, or none, and fails the others as the second look says."""

    identity = "test:doubtful"

    def __init__(self, error: type[ModelError], *, answers: int) -> None:
        self.error = error
        self.left = answers

    async def answer(self, _prompt: Prompt) -> Reply:
        self.left -= 1
        if self.left >= 0:
            return Reply("A", "doubtful")
        raise self.error("all failed alike; check the set-up")


def test_a_run_that_holds_replies_knows_better_and_goes_on(tmp_path: Path) -> None:
    """Continued, only the hopeless questions are left: they are recorded as failed, and the run ends."""
    benchmark = load_questions(make_benchmark(tmp_path / "data"))
    four = RunSettings(limit=4)

    def go(folder: str, model: Doubtful) -> Counter[bool]:
        asyncio.run(run_arms(benchmark, [arm_of(model)], out=tmp_path / folder, settings=four, concurrency=1))
        run = read_run(tmp_path / folder)
        return Counter(row.outcome is Outcome.FAILED for row in run.rows)

    assert go("run", Doubtful(ModelRetryError, answers=1)) == {False: 1, True: 3}
    assert go("run", Doubtful(ModelSetUpError, answers=0)) == {False: 1, True: 3}
    with pytest.raises(ModelSetUpError):
        go("new", Doubtful(ModelSetUpError, answers=0))
    with pytest.raises(ModelActionError):
        go("run", Doubtful(ModelActionError, answers=0))
