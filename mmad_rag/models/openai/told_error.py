"""Find the error that a response of status 200 tells of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

_CODES = ("code", "status", "status_code", "statusCode", "http_status", "error_code", "type")
"""Fields that hold a status as a number, as digits or as a name, most telling first."""
_NAMED: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("invalidapikey", "authenticationerror", "unauthenticated", "unauthorized"), 401),
        **dict.fromkeys(("insufficientquota", "insufficientcredits", "paymentrequired"), 402),
        **dict.fromkeys(("permissionerror", "permissiondenied", "permissiondeniederror", "forbidden"), 403),
        **dict.fromkeys(("modelnotfound", "notfounderror", "notfound"), 404),
        **dict.fromkeys(("ratelimitexceeded", "ratelimiterror", "resourceexhausted", "toomanyrequests"), 429),
        **dict.fromkeys(("servererror", "internalservererror", "internalerror", "internal"), 500),
        **dict.fromkeys(("badgateway",), 502),
        **dict.fromkeys(("unavailable", "serviceunavailable", "serviceunavailableerror"), 503),
        **dict.fromkeys(("timeout", "timeouterror", "gatewaytimeout", "deadlineexceeded"), 504),
        **dict.fromkeys(("overloaded", "overloadederror"), 529),
    }
)
"""Name of an error, in lower case without separators -> the HTTP status that it stands for."""


def told_error(body: Mapping[str, object]) -> object:
    """The error of a body; None if the body holds a completion and no error.

    An error may stand beside the choices, inside the first choice or its message, or take the place of the
    choices; a body without a first choice with a message is an error itself, whatever it says.
    """
    if _says(body.get("error")):
        return body["error"]
    choice = first_choice(body)
    message = None if choice is None else choice.get("message")
    for part in (choice, message):
        if isinstance(part, Mapping) and _says(part.get("error")):
            return part["error"]
    return None if isinstance(message, Mapping) and body.get("object") != "error" else body


def first_choice(body: Mapping[str, object]) -> Mapping[str, object] | None:
    """The first choice of a body; None if there is none."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) else None


def status_in(error: object, body: Mapping[str, object]) -> int | None:
    """The HTTP error status, 400 to 599, that an error names, or the body around it; None without one."""
    parts = [part for part in (error, body) if isinstance(part, Mapping)]
    found = (_status(part.get(name)) for part in parts for name in _CODES)
    return next((status for status in found if status is not None), None)


def is_passing(body: Mapping[str, object]) -> bool:
    """Whether another attempt may help: the reply broke off, or the body does not explain itself."""
    if first_choice(body) is None:
        return not any(_reasons(body))
    return not _says(body.get("error")) and body.get("object") != "error"


def finish_of(choice: Mapping[str, object]) -> str | None:
    """The `finish_reason` of a choice; None if it has none."""
    reason = choice.get("finish_reason")
    return reason[:_LONGEST] if isinstance(reason, str) and reason.strip() else None


_LONGEST = 64
_EMPTY = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"}
)
"""Fields of a completion that do not explain why it has no choice."""


def _reasons(body: Mapping[str, object]) -> Iterator[str]:
    yield from (name for name, value in body.items() if name not in _EMPTY and _says(value))


def _says(error: object) -> bool:
    """Whether the value of a field `error` tells of one: objects whose fields are all empty do not."""
    if isinstance(error, Mapping):
        return any(_says(value) for value in error.values())
    return bool(error)


def _status(value: object) -> int | None:
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) == 3 else _named(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 400 <= value <= 599:
        return None
    return value


def _named(value: str) -> int | None:
    return _NAMED.get("".join(filter(str.isalnum, value)).lower())
