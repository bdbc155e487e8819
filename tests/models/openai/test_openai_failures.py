"""What becomes of everything that can go wrong between a question and its reply."""

from __future__ import annotations

import asyncio
import socket

import httpx
import openai
import pytest

from mmad_rag.errors import ModelActionError, ModelError, ModelRetryError
from mmad_rag.models import load_model
from mmad_rag.models.openai.endpoint import find_endpoint
from mmad_rag.models.openai.errors import connection_failure
from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.models.openai.retry import Patience
from mmad_rag.models.options import ModelOptions
from tests.support.servers.openai_asking import KEY, Naps, ask, prompt
from tests.support.servers.openai_server import (
    Behaviour,
    OpenAIServer,
    drops,
    fails,
    hangs,
    html,
    json_body,
    replies,
)


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (fails(401, "bad key"), r"/v1 answered HTTP 401 \(bad key\); check the key in OPENAI_API_KEY"),
        (fails(402), "the account has no credit left"),
        (fails(403), "may use this model"),
        (fails(404, "no model m"), r"HTTP 404 \(no model m\); check the model name and the base URL"),
        (html(405), "HTTP 405 .*check the model name and the base URL"),
        (Behaviour(304), "HTTP 304; check the model name and the base URL"),
        (fails(429, code="insufficient_quota"), "the account has no credit left"),
        (
            fails(400, param="max_tokens", code="unsupported_parameter"),
            "leave out the option max_tokens; reasoning models want max_compl",
        ),
        (fails(400, param="temperature"), "leave out the option temperature"),
        (fails(422, param="temperature"), "change or leave out the option temperature"),
        (
            html(),
            r"something that is not a chat completion \(<!doctype.*is this an OpenAI-compatible endpoint",
        ),
        (Behaviour(body=b"ok", media_type="text/plain"), "is this an OpenAI-compatible endpoint"),
        (json_body({"error": {"code": 401, "message": "gateway says no"}}), r"HTTP 401 \(gateway says no\)"),
    ],
)
def test_what_every_question_would_meet_stops_the_run_at_once(
    openai_server: OpenAIServer, behaviour: Behaviour, message: str
) -> None:
    with pytest.raises(ModelActionError, match=message):
        ask(openai_server, behaviour)
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    ("behaviour", "message"),
    [
        (fails(400, "image too small"), r"HTTP 400 \(image too small\); this question cannot be asked like"),
        (fails(413), "HTTP 413"),
        (fails(422), "HTTP 422"),
        (fails(451), "HTTP 451"),
        (json_body({"error": "out of context"}), r"answered an error \(out of context\); this question"),
        (json_body({"error": {"code": "x", "message": ""}}), r'an error \({"code": "x", "message": ""}\)'),
        (Behaviour(400, b'{"detail": "no such field"}'), r"HTTP 400 \(no such field\)"),
        (Behaviour(400), "HTTP 400; this question"),
    ],
)
def test_what_one_question_is_to_blame_for_fails_that_question_at_once(
    openai_server: OpenAIServer, behaviour: Behaviour, message: str
) -> None:
    with pytest.raises(ModelRetryError, match=message):
        ask(openai_server, behaviour)
    assert len(openai_server.requests) == 1


PASSING = [
    pytest.param(fails(408), id="408"),
    pytest.param(fails(409), id="409"),
    pytest.param(fails(429), id="429"),
    pytest.param(fails(500), id="500"),
    pytest.param(html(502), id="502"),
    pytest.param(fails(503), id="503"),
    pytest.param(drops(), id="dropped"),
    pytest.param(Behaviour(body=b'{"choices": ['), id="cut off"),
    pytest.param(json_body([1]), id="a list"),
    pytest.param(json_body([]), id="an empty list"),
    pytest.param(json_body({"error": {"code": 503}}), id="error with code 503"),
    pytest.param(json_body({}), id="an empty object"),
    pytest.param(json_body({"id": "7", "choices": None, "usage": None}), id="no choices"),
    pytest.param(json_body({"choices": [None]}), id="no choice"),
]


@pytest.mark.parametrize("behaviour", PASSING)
def test_what_may_pass_is_asked_again(openai_server: OpenAIServer, behaviour: Behaviour) -> None:
    naps = Naps()
    assert ask(openai_server, behaviour, behaviour, replies("B"), naps=naps).text == "B"
    assert len(openai_server.requests) == 3, "the SDK does not retry beside us"
    assert naps.slept == [0.5, 1.0], "half of 1 s, then half of 2 s"


@pytest.mark.parametrize("behaviour", [case for case in PASSING if case.id != "429"])
def test_what_does_not_pass_fails_the_question_after_six_attempts(
    openai_server: OpenAIServer, behaviour: Behaviour
) -> None:
    openai_server.default = behaviour
    with pytest.raises(ModelRetryError, match="after 6 attempts in 16 s; ask again later"):
        ask(openai_server)
    assert len(openai_server.requests) == 6


@pytest.mark.parametrize("param", ["max_tokens", "messages", ["a", "list"], {"of": "things"}, 7])
def test_a_prompt_that_leaves_no_room_fails_its_question_only(
    openai_server: OpenAIServer, param: object
) -> None:
    """vLLM names `max_tokens` there, which is fine for all shorter prompts."""
    error = {"message": "max_tokens must be at least 1, got -200", "param": param, "code": 400}
    with pytest.raises(ModelRetryError, match="this question cannot be asked like this"):
        ask(openai_server, json_body({"error": error}, status=400))


def test_retry_after_is_waited_for(openai_server: OpenAIServer) -> None:
    naps = Naps()
    behaviours = (fails(429, retry_after="20"), fails(503, retry_after="Thu, 01 Jan 1970 00:00:40 GMT"))
    assert ask(openai_server, *behaviours, replies("B"), naps=naps).text == "B"
    assert naps.slept == [20.5, 40.5]


def test_a_retry_after_beyond_the_deadline_ends_the_question(openai_server: OpenAIServer) -> None:
    naps = Naps()
    with pytest.raises(
        ModelRetryError, match="asks to wait 3600 s, and no further attempt fits into the 600 s"
    ):
        ask(openai_server, fails(429, retry_after="3600"), naps=naps)
    assert naps.slept == []


def test_a_server_that_never_answers_is_given_up(openai_server: OpenAIServer) -> None:
    openai_server.default = hangs()
    with pytest.raises(ModelRetryError, match="gave no answer in time, after 6 attempts"):
        ask(openai_server, timeout_s=0.05)


def test_a_server_that_answers_late_once_is_asked_again(openai_server: OpenAIServer) -> None:
    assert ask(openai_server, hangs(), timeout_s=0.5).text == "A"
    assert len(openai_server.requests) > 1


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def test_a_server_that_is_not_there_stops_the_run_after_three_attempts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    naps = Naps()
    options = ModelOptions(base_url=f"http://127.0.0.1:{free_port()}/v1")
    model = OpenAIModel("m", options, patience=naps.patience())
    with pytest.raises(
        ModelActionError, match=r"no connection could be made to 127\.0\.0\.1:\d+/v1 .*start the server"
    ) as caught:
        asyncio.run(model.answer(prompt()))
    assert "Connect call failed" in str(caught.value), "the operating system's own words"
    assert len(naps.slept) == 2


def sdk_connection_error(cause: Exception) -> openai.APIConnectionError:
    error = openai.APIConnectionError(request=httpx.Request("POST", "http://host/v1"))
    error.__cause__ = cause
    return error


def test_no_connection_in_time_is_a_wrong_address_and_not_a_slow_server() -> None:
    endpoint = find_endpoint("http://host/v1", KEY)
    failure = connection_failure(
        sdk_connection_error(httpx.ConnectTimeout("")), endpoint=endpoint, patience=Patience()
    )
    assert failure.happened == "no connection could be made to host/v1 (ConnectTimeout)"
    assert (failure.stops_run, failure.attempts) == (True, 3)


def test_of_several_addresses_that_refuse_the_first_is_told() -> None:
    cause = httpx.ConnectError("All connection attempts failed")
    cause.__cause__ = ExceptionGroup("", [OSError(111, "Connection refused"), OSError(101, "Unreachable")])
    endpoint = find_endpoint("http://localhost/v1", KEY)
    failure = connection_failure(sdk_connection_error(cause), endpoint=endpoint, patience=Patience())
    assert failure.happened == "no connection could be made to localhost/v1 ([Errno 111] Connection refused)"


def test_half_a_character_fails_its_question_only(openai_server: OpenAIServer) -> None:
    model = load_model("openai:m", ModelOptions(base_url=openai_server.url))
    with pytest.raises(ModelRetryError, match="lone surrogate"):
        asyncio.run(model.answer(prompt("Is this \ud800 a defect?")))
    assert asyncio.run(model.answer(prompt())).text == "A"


@pytest.mark.parametrize(
    "behaviour",
    [
        fails(401, f"Incorrect API key provided: {KEY}."),
        fails(400, f"{KEY}\x1b[31m{KEY}\r\n" + "x" * 1000),
        Behaviour(403, f"<p>{KEY}</p>".encode(), media_type="text/html"),
        Behaviour(body=f"<p>{KEY}</p>".encode(), media_type="text/html"),
        json_body({"error": {"key": KEY}}),
    ],
)
def test_a_key_that_the_server_repeats_is_hidden(openai_server: OpenAIServer, behaviour: Behaviour) -> None:
    with pytest.raises(ModelError) as caught:
        ask(openai_server, behaviour)
    message = str(caught.value)
    assert KEY not in message
    assert "[hidden]" in message
    assert message.isprintable()
    assert len(message) < 600
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None, "the SDK's own exceptions quote the key"
