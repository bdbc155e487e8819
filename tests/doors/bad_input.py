"""What can be wrong, one case for each row of docs/BAD_INPUT.md."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiohttp import web

from mmad_rag.records import Json
from tests.support.servers.serving import (
    GREEN,
    RED,
    YELLOW,
    Behaviour,
    asked,
    completion,
    data_url,
    event,
    image_part,
    text_part,
)
from tests.support.world import COLOURS, png

Shown: TypeAlias = str | bytes | None
"""A data URL or an address; the bytes of a file; no image."""

UPSTREAMS = "of_the_upstream"
"""The type of the errors that the upstream answers; ours have another."""
PATIENT_S, HASTY_S = 120.0, 0.2
_TOOL = {"id": "t", "type": "function", "function": {"name": "look", "arguments": "{}"}}


@dataclass(frozen=True)
class Case:
    """What is handed in, and what the upstream does."""

    shown: tuple[Callable[[], Shown], ...] = (lambda: RED,)
    """The images, the last one is what is asked about. Made when wanted: some are large."""
    question: str = "Is there a crack?"
    """Asked of the last image."""
    behaviour: Behaviour | None = None
    """Instead of the reply."""
    reply: Json | None = None
    """None: `B`."""
    stream: bool = False
    """Whether clients ask for a stream; `ask` never does."""
    runs: bool = True
    """Whether the upstream runs."""
    timeout_s: float = PATIENT_S
    """How long everybody waits for the upstream."""

    @property
    def at_the_model(self) -> bool:
        """Whether it goes wrong after the question was sent."""
        return self.behaviour is not None or self.reply is not None or not self.runs

    def image(self) -> Shown:
        """What is asked about."""
        return self.shown[-1]()

    def examples(self) -> list[bytes]:
        """Normal ones of the same product, for doors that take them apart from what is asked about."""
        return [png(COLOURS["red"], shade=number) for number in range(1, len(self.shown))]

    def body(self) -> dict[str, Any]:
        """The request of a client that shows these images."""
        shown = [image for make in self.shown if (image := make()) is not None]
        urls = [data_url(image) if isinstance(image, bytes) else image for image in shown]
        body = asked(text_part(self.question), *(image_part(url) for url in urls))
        return {**body, "stream": True} if self.stream else body


def answers(data: bytes, kind: str = "application/json", status: int = 200) -> Behaviour:
    """Always this."""

    async def behave(_request: web.Request) -> web.StreamResponse:
        return web.Response(body=data, status=status, headers={"Content-Type": kind})

    return behave


def refuses(status: int, code: str) -> Behaviour:
    """An error in OpenAI's shape."""
    error = {"message": "no luck", "type": UPSTREAMS, "param": None, "code": code}
    return answers(json.dumps({"error": error}).encode(), status=status)


def breaks_off(kind: str, beginning: bytes) -> Behaviour:
    """The connection is lost after the beginning."""

    async def behave(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": kind})
        await response.prepare(request)
        await response.write(beginning)
        assert request.transport is not None
        request.transport.close()
        return response

    return behave


async def hang(_request: web.Request) -> web.StreamResponse:
    """Say nothing for longer than anybody waits."""
    await asyncio.sleep(30)
    return web.Response()


def many_pixels() -> bytes:
    """10,001 x 10,000 pixels in a few kilobytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", (10_001, 10_000)).save(buffer, format="PNG")
    return buffer.getvalue()


EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n%%EOF\n"


def many_bytes() -> bytes:
    """100 MB when written in base64."""
    return bytes(75_000_000)


CASES: Mapping[str, Case] = {
    "no image": Case((lambda: None,)),
    "five images": Case((*[lambda: GREEN] * 4, lambda: RED)),
    "broken data URL": Case((lambda: "data:image/png;base64,@@@",)),
    "bytes that are not an image": Case((lambda: b"no image at all",)),
    "data URL of a type not read here (HEIC)": Case((lambda: "data:image/heic;base64,AAAAGGZ0eXBoZWlj",)),
    "EPS bytes that say they are PNG": Case((lambda: EPS,)),
    "truncated image": Case((lambda: RED[:60],)),
    "image at an http address": Case((lambda: "http://127.0.0.1:9/nut.png",)),
    "image of 75 MB, in a body of 100 MB": Case((many_bytes,)),
    "image of over 100 million pixels": Case((many_pixels,)),
    "empty question": Case(question=""),
    "product not in the catalogue": Case((lambda: YELLOW,)),
    "unknown model (404)": Case(behaviour=refuses(404, "model_not_found")),
    "wrong key (401)": Case(behaviour=refuses(401, "invalid_api_key")),
    "rate limit (429)": Case(behaviour=refuses(429, "rate_limit_exceeded")),
    "failing upstream (500)": Case(behaviour=refuses(500, "internal")),
    "upstream not running": Case(runs=False),
    "upstream hangs": Case(behaviour=hang, timeout_s=HASTY_S),
    "reply cut in the middle": Case(behaviour=breaks_off("application/json", b'{"choices": [{')),
    "stream cut in the middle": Case(behaviour=breaks_off("text/event-stream", event("half")), stream=True),
    "HTML instead of JSON (200)": Case(behaviour=answers(b"<html>Welcome</html>", "text/html")),
    "half a JSON (200)": Case(behaviour=answers(json.dumps(completion()).encode()[:60])),
    "nothing instead of JSON (200)": Case(behaviour=answers(b"")),
    "error in place of a reply (200)": Case(reply={"error_code": 17, "error_msg": "daily limit reached"}),
    "error with a status (200)": Case(reply={"code": 404, "message": "no such model"}),
    "error inside a reply (200)": Case(
        reply={"choices": [{**completion("B")["choices"][0], "error": {"code": 400, "message": "lost"}}]}
    ),
    "empty reply": Case(reply=completion("")),
    "tool call instead of text": Case(reply=completion(None, tool_calls=[_TOOL])),
}
"""The document's first column -> what it means."""
