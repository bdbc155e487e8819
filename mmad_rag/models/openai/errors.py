"""Classify the errors of an OpenAI-compatible endpoint as failures of our own.

What happens                            | asked again | finally raised    | concerns
----------------------------------------|-------------|-------------------|----------------------------
3xx that leads nowhere                  | no          | ModelActionError  | address
401, 402, 403, 404, 405                 | no          | ModelActionError  | key, credit, model, address
429 with code `insufficient_quota`      | no          | ModelActionError  | credit
400 or 422 about an option              | no          | ModelActionError  | options
400, 413, 422 and other 4xx             | no          | ModelRetryError   | this question only
any of these to all questions about     | as above    | ModelSetUpError   | key, model, options, server
  the first 8 images, in the same       |             |                   |
  words, and none answered              |             |                   |
429, 529                                | until the   | ModelRetryError   | this moment; fewer requests
                                        |   deadline  |                   |   are sent at a time
408, 409, other 5xx                     | yes         | ModelRetryError   | this moment; after 503 fewer
                                        |             |                   |   requests at a time
no answer in time, connection broken    | yes         | ModelRetryError   | this moment
no connection (refused, unknown host,   | a few times | ModelActionError  | address, server not running
  TLS, none within `connect_s`)         |             |                   |
200 with an error beside, inside or     | as by that  | as by that status | a gateway that passes it on
  instead of the choice, with a status  |   status    |                   |
200 with another error, or without a    | no          | ModelRetryError   | this question only
  completion                            |             |                   |
200 without a completion or an          | yes         | ModelRetryError   | this moment
  explanation, or a reply broken off    |             |                   |
200 declared as JSON without an object  | yes         | ModelRetryError   | this moment (truncated)
200 with HTML or plain text             | no          | ModelActionError  | wrong address
text that UTF-8 cannot encode           | no          | ModelRetryError   | this question only
200 with a tool call and no text        | no          | ModelRetryError   | this question only
200 with a choice without content       | no          | nothing           | an empty reply
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mmad_rag.models.openai.endpoint import Endpoint
from mmad_rag.models.openai.retry import Failure, Patience, retry_after_s
from mmad_rag.models.openai.told_error import is_passing, status_in

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
"""Number of attempts after a rate limit, large enough that only the deadline ends the retries."""
_NOT_MADE = frozenset({"ConnectError", "ConnectTimeout"})
"""Names of error classes of httpx, and of httpx2, which the SDK uses since 3.0; either may be absent."""
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
    """The failure for an HTTP status.

    Args:
        status: The HTTP status, 300 to 599.
        headers: Headers of the response, names in lower case.
        body: The parsed JSON, its `error` object, or the text if it is not JSON.
        endpoint: The endpoint that answered.
        patience: How often temporary failures are retried.
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
    """Whether the error refuses an option that every question carries.

    Some endpoints also name `max_tokens` when a long prompt leaves no room for the reply; that option is
    taken as refused only if the error calls it unsupported.
    """
    param, code = error.get("param"), error.get("code")
    if not isinstance(param, str):
        return False
    return param in _OPTIONS or (param in _LIMITS and str(code).startswith("unsupported"))


def reported_failure(
    error: object, body: Mapping[str, object], *, endpoint: Endpoint, patience: Patience
) -> Failure:
    """The failure for an error that a response of status 200 tells of.

    Args:
        error: The error, as `told_error` finds it; the body itself if the body is not a completion.
        body: The whole body.
        endpoint: The endpoint that answered.
        patience: How often temporary failures are retried.
    """
    status = status_in(error, body)
    if status is not None:
        return status_failure(status, {}, error, endpoint=endpoint, patience=patience)
    happened = _answered("without a completion" if error is body else "an error", error, endpoint)
    if is_passing(body):
        return Failure(happened, _LATER, stops_run=False, attempts=patience.attempts)
    return Failure(happened, _THIS_QUESTION, stops_run=False, refused=True)


def broken_failure(finish: str, *, endpoint: Endpoint, patience: Patience) -> Failure:
    """The failure for a reply that the endpoint broke off without naming an error."""
    happened = f"{endpoint.place} broke the reply off (finish_reason {endpoint.quote(finish)!r})"
    return Failure(happened, _LATER, stops_run=False, attempts=patience.attempts)


def connection_failure(
    error: openai.APIConnectionError, *, endpoint: Endpoint, patience: Patience
) -> Failure:
    """The failure for a connection that broke or was never made."""
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
    """The failure for an answer that did not come in time."""
    happened = f"{endpoint.place} gave no answer in time"
    advice = f"{_LATER}, or raise timeout_s"
    return Failure(happened, advice, stops_run=False, attempts=patience.attempts)


def unsendable_failure() -> Failure:
    """The failure for text that UTF-8 cannot encode."""
    happened = "the prompt holds half a character (a lone surrogate), which cannot be sent"
    return Failure(happened, "mend the text of the question or of the knowledge", stops_run=False)


def tool_failure(tools: tuple[str, ...], *, endpoint: Endpoint) -> Failure:
    """The failure for tool calls instead of an answer, although no tools were offered."""
    named = endpoint.quote(", ".join(tools))
    return Failure(
        f"the model at {endpoint.place} called a tool instead of answering ({named})",
        "switch tools off at the endpoint, or take another model",
        stops_run=False,
        refused=True,
    )


def garbled_failure(content: str, *, says_json: bool, endpoint: Endpoint, patience: Patience) -> Failure:
    """The failure for a body that is not a JSON object."""
    if says_json:
        happened = _answered("JSON that cannot be read" if content else "nothing", content, endpoint)
        return Failure(happened, _LATER, stops_run=False, attempts=patience.attempts)
    happened = _answered("something that is not a chat completion", content, endpoint)
    return Failure(happened, f"is this an OpenAI-compatible endpoint? {_ADDRESS}", stops_run=True)


def _answered(what: str, body: object, endpoint: Endpoint) -> str:
    said = endpoint.quote(_message(body))
    return f"{endpoint.place} answered {what}" + (f" ({said})" if said else "")


def _error_object(body: object) -> Mapping[str, object]:
    """The `error` object of a body; empty if there is none."""
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def _message(body: object) -> str:
    """A server's error message, in any of the shapes that servers use."""
    if body is None or isinstance(body, str):
        return body or ""
    error = _error_object(body)
    for name in ("message", "error", "detail"):
        value = error.get(name)
        if isinstance(value, str) and value:
            return value
    return json.dumps(body, default=str, ensure_ascii=False)


def _root(error: BaseException) -> BaseException:
    """The first cause of a chain of exceptions, usually an error of the operating system."""
    while (cause := _cause(error)) is not None:
        error = cause
    return error


def _cause(error: BaseException) -> BaseException | None:
    """The cause of an exception; httpcore keeps it in the arguments, anyio groups one per address tried."""
    if isinstance(error, BaseExceptionGroup):
        return error.exceptions[0]
    return error.__cause__ or next((inner for inner in error.args if isinstance(inner, BaseException)), None)
