"""Read a request's body as far as the limits allow."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from mmad_rag.records import Json
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.limits import Limits

_DISCARDED = 8
"""How many times the limit is read and thrown away, so that a client still hears why it is refused: most
send all of a body before they read an answer."""


async def read_body(request: Request, limits: Limits) -> bytes:
    """All bytes of the body.

    Raises:
        RefusalError: 413 too large, 408 too slow, 415 compressed.
        ClientDisconnect: the client hung up.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise RefusalError(
            415, f"the body is compressed ({encoding!r}); send it as it is", code="compressed_body"
        )
    announced = request.headers.get("content-length", "")
    large = announced.isdigit() and int(announced) > limits.body_bytes
    if large and request.headers.get("expect", "").lower() == "100-continue":
        raise _too_large(limits)  # the client waits for leave to send, and gets none
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(limits.timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                large = large or size > limits.body_bytes
                if large:
                    chunks.clear()
                    if size > _DISCARDED * limits.body_bytes:
                        break
                else:
                    chunks.append(chunk)
    except TimeoutError:
        raise RefusalError(
            408, f"the body did not arrive within {limits.timeout_s:g} s; send it again", code="body_timeout"
        ) from None
    if large:
        raise _too_large(limits)
    return b"".join(chunks)


def parse_body(data: bytes) -> Json | None:
    """The JSON object in a body, or None if it is another JSON value.

    Raises:
        RefusalError: 400, it is not JSON.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RefusalError(
            400, f"the body is not JSON ({error}); send a JSON object", code="invalid_json"
        ) from None
    return value if isinstance(value, dict) else None


def check_json_type(request: Request) -> None:
    """Take JSON only.

    A page in a browser can send other media types anywhere without asking first, and so spend a local
    user's key; for JSON the browser asks, and gets no leave here.

    Raises:
        RefusalError: 415.
    """
    found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if found != "application/json":
        raise RefusalError(
            415,
            f"the body's media type is {found or 'not given'!r}; send `Content-Type: application/json`",
            code="unsupported_media_type",
        )


def _too_large(limits: Limits) -> RefusalError:
    return RefusalError(
        413,
        f"the body is larger than {limits.body_bytes:,} bytes; scale the images down, "
        "or start the server with a larger --max-body-mb",
        code="body_too_large",
        headers={"Connection": "close"},
    )


_HEAD = 200
"""Characters of a `data:` URL that its media type may take; the rest is base64."""


def encode(body: Json, *, message: int, url: str) -> bytes:
    """The body as JSON, in ASCII.

    The image's URL is laid in afterwards, as it is: to look through its 100 kB for signs that want escaping
    takes longer than all the rest together.

    Args:
        body: A chat completion's.
        message: Which of its messages shows the image, counted from 0.
        url: The image's, whose base64 was found good. Another one is written like everything else.

    Raises:
        RefusalError: 400, it holds what is not strict JSON (NaN).
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
            400, f"the body is not strict JSON ({error}); mend it", code="invalid_json"
        ) from None
