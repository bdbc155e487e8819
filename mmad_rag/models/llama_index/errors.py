"""Convert the errors of a LlamaIndex LLM to errors of our own.

What the LLM raises                            | becomes
-----------------------------------------------|-----------------
HTTP status 401, 402, 403, 404, 405            | ModelActionError
429 because no credit is left                  | ModelActionError
no connection could be made                    | ModelActionError
a missing library or method                    | ModelActionError
no API key                                     | ModelActionError
anything else                                  | ModelRetryError
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from mmad_rag.errors import ModelActionError, ModelError, ModelRetryError
from mmad_rag.network import settings_fault

_STOPPING = {
    401: "check the key of its provider",
    402: "the account has no credit left; top it up or use another key",
    403: "check that the key may use this model",
    404: "check the model name and the address",
    405: "check the address",
}
_PASSING = frozenset({408, 409, 429})
_LATER = "ask again later, or ask fewer questions at once"
_THIS_QUESTION = "this question cannot be asked like this; others may still work"
_NO_KEY = re.compile(r"\bapi[ _-]?key\b", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_LONGEST_QUOTE = 300


def translate(error: Exception, name: str, *, hide: Callable[[str], str]) -> ModelError:
    """The error to raise in place of a provider's.

    Args:
        error: The error that the LLM raised, after its own retries.
        name: Name of the LLM, for the message.
        hide: Removes secrets from a text.
    """
    chain = tuple(_chain(error))
    status = next((found for one in chain if (found := _status(one)) is not None), None)
    if status is not None:
        return _answered(status, f"{name} was answered HTTP {status} ({_quote(error, hide)})", error)
    if any(_is_unconnected(one) for one in chain):
        reason = _quote(chain[-1], hide)
        if fault := settings_fault():
            return ModelActionError(f"{name} cannot connect ({reason}); {fault}")
        return ModelActionError(f"{name} cannot connect ({reason}); start its server, or correct its address")
    advice = None
    if isinstance(error, ImportError):
        advice = "install the library that is named there"
    elif isinstance(error, NotImplementedError):
        advice = "take an LLM that chats"
    elif _NO_KEY.search(str(error)):
        advice = "set the API key of its provider"
    if not isinstance(error, NotImplementedError) and (fault := settings_fault()):
        return ModelActionError(f"{name} gave no reply ({type(error).__name__}); {fault}")
    happened = f"{name} gave no reply ({_quote(error, hide)})"
    if advice is not None:
        return ModelActionError(f"{happened}; {advice}")
    return ModelRetryError(f"{happened}; {_THIS_QUESTION}")


def _answered(status: int, happened: str, error: Exception) -> ModelError:
    if status == 429 and "insufficient_quota" in str(error):
        return ModelActionError(f"{happened}; {_STOPPING[402]}")
    if status in _STOPPING:
        return ModelActionError(f"{happened}; {_STOPPING[status]}")
    passes = status in _PASSING or status >= 500
    return ModelRetryError(f"{happened}; {_LATER if passes else _THIS_QUESTION}")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, outermost first; a repeated cause ends the chain."""
    seen: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in seen:
        seen.append(found)
        yield found
        found = found.__cause__ or found.__context__


def _status(error: BaseException) -> int | None:
    """The HTTP status in an error of httpx or of a provider's client; None if it has none."""
    response = getattr(error, "response", None)
    for value in (getattr(error, "status_code", None), getattr(response, "status_code", None)):
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None


def _is_unconnected(error: BaseException) -> bool:
    import httpx

    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | ConnectionRefusedError)


def _quote(error: BaseException, hide: Callable[[str], str]) -> str:
    line = _UNPRINTABLE.sub(" ", hide(str(error))).strip() or type(error).__name__
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."
