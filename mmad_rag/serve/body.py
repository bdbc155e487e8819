"""Read a request's body within the limits, and write it with knowledge."""

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
"""Multiple of the limit that is read and discarded, so that a client receives the reason for the refusal:
most clients send the whole body before they read the answer."""


async def read_body(request: Request, limits: Limits) -> bytes:
    """Read all bytes of the body.

    Raises:
        RefusalError: 413 if the body is too large, 408 if it is too slow, 415 if it is compressed.
        ClientDisconnect: the client disconnected.
    """
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise RefusalError(
            415, f"the body is compressed ({encoding!r}); send it as it is", code="compressed_body"
        )
    announced = request.headers.get("content-length", "")
    large = announced.isdigit() and int(announced) > limits.body_bytes
    if large and request.headers.get("expect", "").lower() == "100-continue":
        raise _too_large(limits)  # the client waits for `100 Continue` and gets the refusal instead
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
    """The JSON object in a body; None if it is another JSON value.

    Raises:
        RefusalError: 400 if the body is not JSON.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RefusalError(
            400, f"the body is not JSON ({error}); send a JSON object", code="invalid_json"
        ) from None
    return value if isinstance(value, dict) else None


def check_json_type(request: Request) -> None:
    """Refuse bodies whose media type is not JSON.

    A web page can make a browser send other media types to any address without a preflight request, and so
    spend a local user's key; for JSON the browser sends a preflight request, which fails here.

    Raises:
        RefusalError: 415 if the media type is not JSON.
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
"""Largest number of characters that precede the base64 data in a `data:` URL."""


def encode(body: Json, *, message: int, url: str) -> bytes:
    """Write the body as JSON in ASCII.

    The image's URL is inserted afterwards without escaping: searching its 100 kB for characters to escape
    takes longer than everything else together.

    Args:
        body: The body of a chat completion.
        message: Position of the message that shows the image, counted from 0.
        url: The image's URL, whose base64 has been checked. A URL of another form is escaped like any text.

    Raises:
        RefusalError: 400 if the body holds a value that strict JSON does not have (NaN).
    """
    if not _plain(url):
        return _dump(body)
    mark = secrets.token_hex(16)  # random, so that the body cannot contain it already
    messages = list(body["messages"])
    messages[message] = {
        **messages[message],
        "content": [_marked(part, url, mark) for part in messages[message]["content"]],
    }
    return _dump({**body, "messages": messages}).replace(f'"{mark}"'.encode(), f'"{url}"'.encode())


def _plain(url: str) -> bool:
    """Whether a URL with valid base64 needs no escaping."""
    head, comma, _ = url[:_HEAD].partition(",")
    return bool(comma) and head.lower().startswith("data:") and head.endswith(";base64") and _printable(head)


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _marked(part: Any, url: str, mark: str) -> Any:  # noqa: ANN401 - a client's JSON
    """The part with the mark in place of the URL, if it holds the URL."""
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
