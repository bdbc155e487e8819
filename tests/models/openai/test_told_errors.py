"""Errors that an endpoint tells of with status 200, and why replies ended."""

from __future__ import annotations

import json

import pytest

from mmad_rag.errors import ModelActionError, ModelRetryError
from mmad_rag.models.finish_reason import Ending, ending_of
from mmad_rag.rag.answer import Timings, answer_from
from mmad_rag.records import Choice, Reply
from tests.support.servers.openai_asking import Naps, ask
from tests.support.servers.openai_server import OpenAIServer, json_body, replies
from tests.support.shared import SHARED

CASES = SHARED / "cases"


def choice(content: object = "A", *, finish: str | None = "stop", **more: object) -> dict[str, object]:
    """A body with one choice."""
    message = {"role": "assistant", "content": content}
    return {"choices": [{"index": 0, "finish_reason": finish, "message": message, **more}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"code": 404, "message": "no such model", "object": "error"}, r"HTTP 404 \(no such model\)"),
        ({"code": "401", "msg": "token expired"}, r'HTTP 401 \({"code": "401", "msg": "token expired"}\)'),
        ({"status": 403, "detail": "not yours"}, r"HTTP 403 \(not yours\)"),
        ([{"error": {"code": 404, "message": "gone", "status": "NOT_FOUND"}}], r"HTTP 404 \(gone\)"),
        ({"error": {"type": "authentication_error", "message": "bad key"}}, r"HTTP 401 \(bad key\)"),
        ({"error": {"message": "empty account", "code": "insufficient_quota"}}, "HTTP 402"),
        ({"object": "error", "type": "NotFoundError", "message": "?"}, r"HTTP 404 \(\?\)"),
        (choice(error={"code": 402, "message": "no credit"}), r"HTTP 402 \(no credit\)"),
    ],
)
def test_a_status_inside_the_body_counts_as_that_status(
    openai_server: OpenAIServer, body: object, message: str
) -> None:
    with pytest.raises(ModelActionError, match=message):
        ask(openai_server, json_body(body))
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        choice("", finish="error", error={"code": 502, "message": "provider disconnected"}),
        choice("A", finish="error", error={"code": 502, "message": "provider disconnected"}),
        choice("A", finish=None, error={"code": "502", "message": "provider disconnected"}),
        choice("A", error={"message": "provider disconnected"}),
        choice("A", finish="error"),
        choice("A", finish="abort"),
        choice("", finish="insufficient_system_resource"),
        choice("A", finish="network_error"),
        {"error": {"type": "overloaded_error", "message": "busy"}},
        {"error": {"status": "UNAVAILABLE", "message": "busy"}},
        {"choices": [], "error": {"code": 524, "message": "timed out upstream"}},
        {"choices": []},
        {"model": "m", "choices": [{"index": 0, "finish_reason": "stop"}]},
    ],
)
def test_what_may_pass_is_asked_again(openai_server: OpenAIServer, body: object) -> None:
    naps = Naps()
    assert ask(openai_server, json_body(body), replies("B"), naps=naps).text == "B"
    assert len(openai_server.requests) == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"error_code": 17, "error_msg": "daily limit reached"},
            r'answered without a completion \({"error_code": 17, "error_msg": "daily limit reached"}\); this',
        ),
        ({"code": 1001, "msg": "Überlastet", "data": None}, "without a completion .*Überlastet"),
        ({"code": 200, "message": "fine", "data": choice()}, r"without a completion \(fine\)"),
        (
            {**choice("A"), "error": {"message": "half of the image was lost"}},
            r"an error \(half of the image",
        ),
        ({**choice("A"), "error": "late"}, r"an error \(late\)"),
        ({**choice("A"), "object": "error"}, "without a completion"),
    ],
)
def test_a_body_without_a_completion_fails_the_question_and_is_quoted(
    openai_server: OpenAIServer, body: object, message: str
) -> None:
    with pytest.raises(ModelRetryError, match=message):
        ask(openai_server, json_body(body))
    assert len(openai_server.requests) == 1


@pytest.mark.parametrize("finish", ["stop", "length", "content_filter", "eos", None])
def test_the_reason_of_the_end_is_kept_as_it_came(openai_server: OpenAIServer, finish: str | None) -> None:
    assert ask(openai_server, json_body(choice("A", finish=finish))).finish == finish


def test_a_reply_cut_at_the_limit_is_read_as_such() -> None:
    text = "The teeth look even, so the answer is A, but let me check the"
    choices = [Choice("A", "Yes."), Choice("B", "No.")]
    found = {
        finish: answer_from(Reply(text, "m", finish=finish), choices, Timings(0.0, 0.0, 0.0))
        for finish in ("length", "stop")
    }
    assert found["length"].choice is None
    assert (found["length"].finish, found["stop"].finish) == ("length", "stop")


@pytest.mark.parametrize(
    ("finish", "ending"),
    [
        (None, Ending.COMPLETE),
        ("", Ending.COMPLETE),
        ("stop", Ending.COMPLETE),
        ("end_turn", Ending.COMPLETE),
        ("something new", Ending.COMPLETE),
        *((name, Ending.LENGTH) for name in ("length", "max_tokens", "MAX_TOKENS", "model_length")),
        ("FinishReason.MAX_TOKENS", Ending.LENGTH),
        *((name, Ending.FILTERED) for name in ("content_filter", "SAFETY", "RECITATION", "sensitive")),
        *((name, Ending.FAILED) for name in ("error", "ERROR", "abort", "network_error", "cancelled")),
    ],
)
def test_the_names_of_providers_are_sorted(finish: str | None, ending: Ending) -> None:
    assert ending_of(finish) is ending


@pytest.mark.shared
@pytest.mark.skipif(not CASES.is_dir(), reason="the small inputs that failed are not beside the checkout")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("01_200_error_body/limit.json", "daily limit reached"),
        ("01_200_error_body/not_found.json", "HTTP 404"),
        ("15_choice_error/empty.json", r"HTTP 502 \(provider disconnected\)"),
        ("15_choice_error/partial.json", r"HTTP 502 \(provider disconnected\)"),
    ],
)
def test_inputs_that_were_kept_as_answers_fail(openai_server: OpenAIServer, name: str, message: str) -> None:
    body = json.loads((CASES / name).read_text(encoding="utf-8"))
    openai_server.default = json_body(body)
    with pytest.raises((ModelRetryError, ModelActionError), match=message):
        ask(openai_server)


@pytest.mark.shared
@pytest.mark.skipif(not CASES.is_dir(), reason="the small inputs that failed are not beside the checkout")
@pytest.mark.parametrize("name", ["cut.json", "empty.json"])
def test_cut_replies_are_kept_as_such_and_not_read(openai_server: OpenAIServer, name: str) -> None:
    body = json.loads((CASES / "02_finish_reason_length" / name).read_text(encoding="utf-8"))
    reply = ask(openai_server, json_body(body))
    assert reply.finish == "length"
    assert (reply.text == "") == (name == "empty.json")
    choices = [Choice("A", "Yes."), Choice("B", "No.")]
    assert answer_from(reply, choices, Timings(0.0, 0.0, 0.0)).choice is None
