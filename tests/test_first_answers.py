"""When refusals of questions become a refusal of the whole set-up."""

from __future__ import annotations

import asyncio

import pytest

from mmad_rag.errors import ModelActionError, ModelError, ModelRetryError
from mmad_rag.models.first_answers import FAILURES
from mmad_rag.models.openai_model import OpenAIModel
from mmad_rag.models.options import ModelOptions
from tests.openai_asking import KEY, Naps, prompt
from tests.openai_server import Behaviour, OpenAIServer, fails, replies

REFUSED = fails(400, "API key not valid. Please pass a valid API key.")
"""As an endpoint words it that has no 401."""


def errors(server: OpenAIServer, *behaviours: Behaviour) -> list[type[ModelError] | None]:
    """What each of so many questions, one after the other, comes to; None is an answer."""
    server.script(*behaviours)
    options = ModelOptions(base_url=server.url, api_key=KEY)
    model = OpenAIModel("m", options, patience=Naps().patience())

    async def one() -> type[ModelError] | None:
        try:
            await model.answer(prompt())
        except ModelError as error:
            return type(error)
        return None

    async def each() -> list[type[ModelError] | None]:
        return [await one() for _ in behaviours]

    return asyncio.run(each())


def test_the_eighth_of_only_refusals_stops_the_run(openai_server: OpenAIServer) -> None:
    assert FAILURES == 8
    got = errors(openai_server, *[REFUSED] * 8)
    assert got == [ModelRetryError] * 7 + [ModelActionError]


def test_the_message_says_how_many_and_in_which_words(openai_server: OpenAIServer) -> None:
    options = ModelOptions(base_url=openai_server.url, api_key=KEY)
    model = OpenAIModel("m", options)
    openai_server.default = REFUSED
    for _ in range(7):
        with pytest.raises(ModelRetryError):
            asyncio.run(model.answer(prompt()))
    with pytest.raises(ModelActionError) as caught:
        asyncio.run(model.answer(prompt()))
    place = openai_server.url.removeprefix("http://")
    assert str(caught.value) == (
        f"the first 8 questions all failed alike: {place} answered HTTP 400 "
        "(API key not valid. Please pass a valid API key.); check key, model and options: "
        "does the model take pictures, and these fields?"
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
        expected = ModelRetryError if number < 7 else ModelActionError
        with pytest.raises(expected) as caught:
            asyncio.run(model.answer(prompt()))
    assert len(openai_server.requests) == 8 * 6
    assert "the first 8 questions all failed alike" in str(caught.value)
    assert str(caught.value).endswith("Else ask again later, or ask fewer questions at once")


def test_a_failure_that_passes_in_time_is_none(openai_server: OpenAIServer) -> None:
    openai_server.default = fails(500)
    options = ModelOptions(base_url=openai_server.url, api_key=KEY)
    model = OpenAIModel("m", options, patience=Naps().patience())
    for _ in range(7):
        with pytest.raises(ModelRetryError):
            asyncio.run(model.answer(prompt()))
    openai_server.script(*[fails(500)] * 5, replies("A"))
    assert asyncio.run(model.answer(prompt())).text == "A"
    for _ in range(9):
        with pytest.raises(ModelRetryError):
            asyncio.run(model.answer(prompt()))


def test_what_never_reached_the_endpoint_does_not_count(openai_server: OpenAIServer) -> None:
    options = ModelOptions(base_url=openai_server.url, api_key=KEY)
    model = OpenAIModel("m", options)
    for _ in range(9):
        with pytest.raises(ModelRetryError, match="lone surrogate"):
            asyncio.run(model.answer(prompt("\ud800")))
