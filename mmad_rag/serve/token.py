"""The token that admits clients."""

from __future__ import annotations

import hmac
import os
from pathlib import Path

from mmad_rag.errors import InputError

VARIABLE = "MMAD_RAG_TOKEN"
"""Name of the environment variable that holds the token."""

_SHORTEST = 16
_MAKE_ONE = "make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"


class Token:
    """A secret that can only be compared."""

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()

    def matches(self, given: str) -> bool:
        """Whether the given text is the token, compared in constant time."""
        return hmac.compare_digest(self._bytes, given.encode("utf-8", "surrogateescape"))

    def matches_bearer(self, authorization: str) -> bool:
        """Whether an `Authorization` header holds the token as bearer token."""
        scheme, _, given = authorization.partition(" ")
        return self.matches(given.strip()) and scheme.lower() == "bearer"


def find_token(file: Path | None) -> Token | None:
    """The token from a file, else from `MMAD_RAG_TOKEN`, else None.

    Raises:
        InputError: the file cannot be read, or the token is too short or cannot be sent in a header.
    """
    place = f"the environment variable {VARIABLE}" if file is None else f"the token file {file}"
    if file is None:
        text = os.environ.get(VARIABLE, "").strip()
        if not text:
            return None
    else:
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{place} cannot be read ({type(error).__name__}); check the path") from None
    if len(text) < _SHORTEST:
        raise InputError(f"the token in {place} has fewer than {_SHORTEST} characters; {_MAKE_ONE}")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise InputError(f"the token in {place} holds spaces or characters outside ASCII; {_MAKE_ONE}")
    return Token(text)
