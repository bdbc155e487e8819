"""The OpenAI-compatible endpoint that requests are sent to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, unquote, urlsplit

from mmad_rag.errors import ModelActionError, SpecError

_OPENAI = "https://api.openai.com/v1"
_NO_KEY = "none"
"""Key to send if none is given, because the SDK requires one; servers that need no key ignore it."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_HIDDEN = "[hidden]"
_LONGEST_QUOTE = 300
_SHORTEST_SECRET = 6
"""Length in characters from which a key is hidden; shorter ones are placeholders for servers without keys,
and hiding them would hide ordinary words."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address and key that requests use; `find_endpoint` makes one."""

    url: str = field(repr=False)
    """The given base URL without a trailing slash; may hold a user name and password."""
    key: str = field(repr=False)
    """The API key, or a placeholder."""
    place: str
    """Host, port and path, e.g. `api.openai.com/v1`, for identities and messages."""
    secrets: tuple[str, ...] = field(repr=False)
    """Texts that must never be shown."""

    def hiding(self, more: Iterable[str]) -> Endpoint:
        """The same endpoint, with further texts that must never be shown."""
        new = tuple(text for text in more if len(text) >= _SHORTEST_SECRET and text not in self.secrets)
        return replace(self, secrets=(*new, *self.secrets)) if new else self

    def quote(self, text: str) -> str:
        """A server's text for a message: one line of at most 300 characters with secrets hidden."""
        for secret in self.secrets:
            text = text.replace(secret, _HIDDEN)
        line = _UNPRINTABLE.sub(" ", text).strip()
        return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."


def find_endpoint(base_url: str | None, api_key: str | None) -> Endpoint:
    """The endpoint of the given values, else of `OPENAI_BASE_URL` and `OPENAI_API_KEY`, else OpenAI's own.

    Raises:
        SpecError: the base URL is not an http(s) address, or has a query or fragment.
        ModelActionError: the key cannot be sent, or is missing for OpenAI's own endpoint.
    """
    url = (base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI).strip().rstrip("/")
    parts = _split(url)
    place = _place(parts)
    key = (api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not key and parts.hostname == urlsplit(_OPENAI).hostname:
        raise ModelActionError(
            f"there is no API key for {place}; set OPENAI_API_KEY, or name another endpoint "
            "(OPENAI_BASE_URL or --base-url)"
        )
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ModelActionError(
            "the API key holds spaces, line breaks or characters outside ASCII; set OPENAI_API_KEY again"
        )
    return Endpoint(url, key or _NO_KEY, place, _secrets(parts, key))


def given_endpoint(base_url: str, api_key: object) -> Endpoint:
    """The endpoint of a client that the caller has configured; its key is only hidden in messages.

    Args:
        base_url: The client's base URL.
        api_key: What the client holds as its key: a key, a text in its place, or nothing yet.

    Raises:
        SpecError: the base URL is not an http(s) address, or has a query or fragment.
    """
    url = base_url.strip().rstrip("/")
    parts = _split(url)
    key = api_key.strip() if isinstance(api_key, str) else ""
    return Endpoint(url, key, _place(parts), _secrets(parts, key))


def _secrets(parts: SplitResult, key: str) -> tuple[str, ...]:
    own = key if len(key) >= _SHORTEST_SECRET else ""
    hidden = (own, parts.password or "", unquote(parts.password or ""), *_custom_headers())
    return tuple(dict.fromkeys(secret for secret in hidden if secret))


def _custom_headers() -> Iterator[str]:
    """Values of the headers that the SDK reads from the environment, which may be keys for gateways."""
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        value = line.partition(":")[2].strip()
        for secret in (value, value.rpartition(" ")[2]):  # the value, and the key in `Bearer KEY`
            if len(secret) >= _SHORTEST_SECRET:
                yield secret


def _split(url: str) -> SplitResult:
    """The parts of the base URL, once it is found valid."""
    advice = "give an address such as http://localhost:8000/v1 (OPENAI_BASE_URL or --base-url)"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise SpecError(f"the base URL {_without_user(url)!r} cannot be read; {advice}") from None
    if not usable:
        raise SpecError(f"the base URL {_without_user(url)!r} is not an http or https address; {advice}")
    if parts.query or parts.fragment:
        raise SpecError(f"the base URL of {_place(parts)} has a query or a fragment; {advice}")
    return parts


def _place(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2].lower() + parts.path


def _without_user(url: str) -> str:
    """The URL for messages, without the part up to the last `@` and without the query: both may be secret."""
    return url.rpartition("@")[2].partition("?")[0]
