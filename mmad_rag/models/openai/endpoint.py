"""The OpenAI-compatible endpoint that requests go to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from mmad_rag.errors import ModelActionError, SpecError

_OPENAI = "https://api.openai.com/v1"
_NO_KEY = "none"
"""Sent where no key is given, because the SDK insists on one; servers that need no key ignore it."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")
_HIDDEN = "[hidden]"
_LONGEST_QUOTE = 300
_SHORTEST_SECRET = 6
"""Shorter keys are stand-ins for servers that want none; hiding them would blot out ordinary words."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go; get one with `find_endpoint`."""

    url: str = field(repr=False)
    """The base URL as it was given, without a trailing slash; may hold a user name and password."""
    key: str = field(repr=False)
    """The API key, or a stand-in."""
    place: str
    """Host, port and path, e.g. `api.openai.com/v1`: what an identity and a message may hold."""
    secrets: tuple[str, ...] = field(repr=False)
    """What must never be shown."""

    def quote(self, text: str) -> str:
        """A server's words for use in a message: one line of at most 300 characters, secrets hidden."""
        for secret in self.secrets:
            text = text.replace(secret, _HIDDEN)
        line = _UNPRINTABLE.sub(" ", text).strip()
        return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."


def find_endpoint(base_url: str | None, api_key: str | None) -> Endpoint:
    """What was handed in, else `OPENAI_BASE_URL` and `OPENAI_API_KEY`, else OpenAI's own address.

    Raises:
        SpecError: the base URL is not an http(s) address, or has a query or fragment.
        ModelActionError: the key cannot be sent, or is missing where OpenAI itself is asked.
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
    own = key if len(key) >= _SHORTEST_SECRET else ""
    hidden = (own, parts.password or "", unquote(parts.password or ""), *_custom_headers())
    return Endpoint(url, key or _NO_KEY, place, tuple(dict.fromkeys(secret for secret in hidden if secret)))


def _custom_headers() -> Iterator[str]:
    """Values of the headers that the SDK takes from the environment: gateways want keys there."""
    for line in os.environ.get("OPENAI_CUSTOM_HEADERS", "").splitlines():
        value = line.partition(":")[2].strip()
        for secret in (value, value.rpartition(" ")[2]):  # `Bearer ...`: the word behind it too
            if len(secret) >= _SHORTEST_SECRET:
                yield secret


def _split(url: str) -> SplitResult:
    """The parts of a usable base URL."""
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
    """For messages: up to the last `@` could be a password, and so could a query."""
    return url.rpartition("@")[2].partition("?")[0]
