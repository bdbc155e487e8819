"""Write a changed body as JSON."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from mmad_rag.records import Json
from mmad_rag.serve.errors import RefusalError

_HEAD = 200
"""Characters of a `data:` URL that its media type may take; the rest is base64."""


def encode(body: Json, *, message: int, url: str) -> bytes:
    """The body as JSON, in ASCII.

    The picture's URL is laid in afterwards, as it is: to look through its 100 kB for signs that want escaping
    takes longer than all the rest together.

    Args:
        body: A chat completion's.
        message: Which of its messages shows the picture, counted from 0.
        url: The picture's, whose base64 was found good. Another one is written like everything else.

    Raises:
        RefusalError: 400, it holds what is no strict JSON (NaN).
    """
    if not _plain(url):
        return _dump(body)
    mark = secrets.token_hex(16)  # nobody can have written it into the body
    messages = list(body["messages"])
    messages[message] = {
        **messages[message],
        "content": [_marked(part, url, mark) for part in messages[message]["content"]],
    }
    return _dump({**body, "messages": messages}).replace(f'"{mark}"'.encode(), f'"{url}"'.encode())


def _plain(url: str) -> bool:
    """Whether nothing in a URL with good base64 wants escaping."""
    head, comma, _ = url[:_HEAD].partition(",")
    return bool(comma) and head.lower().startswith("data:") and head.endswith(";base64") and _printable(head)


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _marked(part: Any, url: str, mark: str) -> Any:  # noqa: ANN401 - a client's JSON
    """The part with the mark in place of the URL, where it shows it."""
    found = part.get("image_url") if isinstance(part, Mapping) else None
    if isinstance(found, Mapping) and found.get("url") == url:
        return {**part, "image_url": {**found, "url": mark}}
    return {**part, "image_url": mark} if found == url else part


def _dump(body: Json) -> bytes:
    try:
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")
    except ValueError as error:
        raise RefusalError(
            400, f"the body is no strict JSON ({error}); mend it", code="invalid_json"
        ) from None
