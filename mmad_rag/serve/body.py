"""Read a request's body as far as the limits allow."""

from __future__ import annotations

import asyncio
import json

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
        RefusalError: 400, it is no JSON.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RefusalError(
            400, f"the body is no JSON ({error}); send a JSON object", code="invalid_json"
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
        f"the body is larger than {limits.body_bytes:,} bytes; scale the pictures down, "
        "or start the server with a larger --max-body-mb",
        code="body_too_large",
        headers={"Connection": "close"},
    )
