"""What goes wrong on the way to an OpenAI-compatible endpoint, as failures of our own.

What came                               | asked again | raised in the end | stands for
----------------------------------------|-------------|-------------------|----------------------------
3xx that leads nowhere                  | no          | ModelActionError  | address
401, 402, 403, 404, 405                 | no          | ModelActionError  | key, credit, model, address
429 with code `insufficient_quota`      | no          | ModelActionError  | credit
400 or 422 about an option              | no          | ModelActionError  | options
400, 413, 422 and other 4xx             | no          | ModelRetryError   | this question only
any of these to the questions about     | as those    | ModelSetUpError   | key, model, options, server
  the first 8 images, in the same     |             |                   |
  words, and none answered              |             |                   |
429, 529                                | until the   | ModelRetryError   | this moment; fewer are asked
                                        |   deadline  |                   |   at a time
408, 409, other 5xx                     | yes         | ModelRetryError   | this moment; after 503 fewer
                                        |             |                   |   are asked at a time
no answer in time, connection broken    | yes         | ModelRetryError   | this moment
no connection (refused, unknown host,   | a few times | ModelActionError  | address, server not running
  TLS, none within `connect_s`)         |             |                   |
200 with an `error` whose code is a     | as that     | as that           | a gateway that passes it on
  status                                |             |                   |
200 with another `error`, no choices    | no          | ModelRetryError   | this question only
200 that says JSON, but holds no object | yes         | ModelRetryError   | this moment (cut off)
200 with HTML or plain text             | no          | ModelActionError  | no such endpoint
text that UTF-8 cannot hold             | no          | ModelRetryError   | this question only
200 with a tool's call and no text      | no          | ModelRetryError   | this question only
200 without choices or content          | no          | nothing           | an empty reply
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmad_rag.models.openai.endpoint import Endpoint
from mmad_rag.models.openai.retry import Failure, Patience, retry_after_s

if TYPE_CHECKING:
    import openai

_ADDRESS = "check the model name and the base URL (OPENAI_BASE_URL or --base-url), which usually ends in /v1"
_STOPPING = {
    401: "check the key in OPENAI_API_KEY",
    402: "the account has no credit left; top it up or use another key",
    403: "check that the key in OPENAI_API_KEY may use this model",
    404: _ADDRESS,
    405: _ADDRESS,
}
_PASSING = frozenset({408, 409, 429})
_RATE = frozenset({429, 529})
_OVERLOAD = frozenset({429, 503, 529})
_UNTIL_THE_DEADLINE = 1_000_000
"""Attempts: who is only asked to be slower loses no question to it before its time is up."""
_NOT_MADE = frozenset({"ConnectError", "ConnectTimeout"})
"""Classes of httpx, and of httpx2, which the SDK uses since 3.0; by name, because the other may be absent."""
_LATER = "ask again later, or ask fewer questions at once"
_THIS_QUESTION = "this question cannot be asked like this; others may still work"
_REASONING = "reasoning models want max_completion_tokens in place of max_tokens, and no temperature"
_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_OPTIONS = frozenset(
    {
        "temperature",
        "reasoning_effort",
        "seed",
        "logprobs",
        "top_logprobs",
    }
)


def status_failure(
    status: int, headers: Mapping[str, str], body: object, *, endpoint: Endpoint, patience: Patience
) -> Failure:
    """The failure that an HTTP status stands for.

    Args:
        status: 300 to 599.
        headers: of the response, names in lower case.
        body: the parsed JSON, its `error` object, or the text where it is not JSON.
        endpoint: who answered.
        patience: how often failures that pass are worth asking again.
    """
    happened = _answered(f"HTTP {status}", body, endpoint)
    error = _error_object(body)
    if status in _STOPPING or status < 400:
        return Failure(happened, _STOPPING.get(status, _ADDRESS), stops_run=True)
    if error.get("code") == "insufficient_quota":
        return Failure(happened, _STOPPING[402], stops_run=True)
    if status in (400, 422) and _names_an_option(error):
        advice = f"change or leave out the option {error['param']}; {_REASONING}"
        return Failure(happened, advice, stops_run=True)
    if status in _PASSING or status >= 500:
        wait = retry_after_s(headers, patience.wall())
        return Failure(
            happened,
            _LATER,
            stops_run=False,
            attempts=_UNTIL_THE_DEADLINE if status in _RATE and patience.attempts > 1 else patience.attempts,
            retry_after_s=wait,
            overload=status in _OVERLOAD,
        )
    return Failure(happened, _THIS_QUESTION, stops_run=False, refused=True)


def _names_an_option(error: Mapping[str, object]) -> bool:
    """Whether an option is refused that every question carries.

    Of a longest reply that leaves a long prompt no room some say the same: it has to be called unsupported.
    """
    param, code = error.get("param"), error.get("code")
    if not isinstance(param, str):
        return False
    return param in _OPTIONS or (param in _LIMITS and str(code).startswith("unsupported"))


def reported_failure(error: object, *, endpoint: Endpoint, patience: Patience) -> Failure:
    """The failure that an `error` object inside a response with status 200 stands for."""
    code = _error_object(error).get("code")
    if isinstance(code, int) and 400 <= code <= 599:
        return status_failure(code, {}, error, endpoint=endpoint, patience=patience)
    return Failure(_answered("an error", error, endpoint), _THIS_QUESTION, stops_run=False, refused=True)


def connection_failure(
    error: openai.APIConnectionError, *, endpoint: Endpoint, patience: Patience
) -> Failure:
    """The failure that a connection which broke, or was never made, stands for."""
    reason = endpoint.quote(str(_root(error)) or type(_root(error)).__name__)
    if type(error.__cause__).__name__ in _NOT_MADE:
        return Failure(
            f"no connection could be made to {endpoint.place} ({reason})",
            "start the server, or correct the base URL (OPENAI_BASE_URL or --base-url)",
            stops_run=True,
            attempts=patience.connect_attempts,
        )
    happened = f"the connection to {endpoint.place} broke ({reason})"
    return Failure(happened, _LATER, stops_run=False, attempts=patience.attempts)


def late_failure(*, endpoint: Endpoint, patience: Patience) -> Failure:
    """The failure that no answer in time stands for."""
    happened = f"{endpoint.place} gave no answer in time"
    advice = f"{_LATER}, or raise timeout_s"
    return Failure(happened, advice, stops_run=False, attempts=patience.attempts)


def unsendable_failure() -> Failure:
    """The failure that text which UTF-8 cannot hold stands for."""
    happened = "the prompt holds half a character (a lone surrogate), which cannot be sent"
    return Failure(happened, "mend the text of the question or of the knowledge", stops_run=False)


def tool_failure(tools: tuple[str, ...], *, endpoint: Endpoint) -> Failure:
    """The failure that a call of tools in the place of an answer stands for; none are ever offered here."""
    named = endpoint.quote(", ".join(tools))
    return Failure(
        f"the model at {endpoint.place} called a tool instead of answering ({named})",
        "switch tools off at the endpoint, or take another model",
        stops_run=False,
        refused=True,
    )


def garbled_failure(content: str, *, says_json: bool, endpoint: Endpoint, patience: Patience) -> Failure:
    """The failure that a body which is not JSON object stands for."""
    if says_json:
        happened = _answered("JSON that cannot be read" if content else "nothing", content, endpoint)
        return Failure(happened, _LATER, stops_run=False, attempts=patience.attempts)
    happened = _answered("something that is not a chat completion", content, endpoint)
    return Failure(happened, f"is this an OpenAI-compatible endpoint? {_ADDRESS}", stops_run=True)


def _answered(what: str, body: object, endpoint: Endpoint) -> str:
    said = endpoint.quote(_message(body))
    return f"{endpoint.place} answered {what}" + (f" ({said})" if said else "")


def _error_object(body: object) -> Mapping[str, object]:
    """The object that says what went wrong; empty where there is none."""
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def _message(body: object) -> str:
    """A server's own words, whatever shape it wraps them in."""
    if body is None or isinstance(body, str):
        return body or ""
    error = _error_object(body)
    for name in ("message", "error", "detail"):
        value = error.get(name)
        if isinstance(value, str) and value:
            return value
    return json.dumps(body, default=str)


def _root(error: BaseException) -> BaseException:
    """The first cause of a chain of exceptions: the operating system's own words."""
    while (cause := _cause(error)) is not None:
        error = cause
    return error


def _cause(error: BaseException) -> BaseException | None:
    """httpcore keeps the cause among the arguments, and anyio groups one cause per address that it tried."""
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    return error.__cause__ or next((inner for inner in error.args if isinstance(inner, BaseException)), None)
