"""One question to a loopback server, without real waiting."""

from __future__ import annotations

import asyncio
import hashlib

from mmad_rag.models.openai.model import OpenAIModel
from mmad_rag.models.openai.retry import Patience
from mmad_rag.models.options import ModelOptions
from mmad_rag.records import Choice, EncodedImage, MediaType, Prompt, Reply
from tests.support.servers.openai_server import Behaviour, OpenAIServer

KEY = "sk-test-0123456789"
CHOICES = (Choice("A", "Yes."), Choice("B", "No."))


class Naps:
    """Sleeps that take no time, with a clock that believes in them."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def clock(self) -> float:
        return sum(self.slept)

    def patience(self) -> Patience:
        return Patience(sleep=self.sleep, clock=self.clock, draw=lambda: 0.5, wall=lambda: 0.0)


def picture(data: bytes, media_type: MediaType) -> EncodedImage:
    return EncodedImage(data, media_type, 4, 4, hashlib.sha256(data).hexdigest(), "made")


def prompt(question: str = "Is there a defect?") -> Prompt:
    return Prompt(question, image=picture(b"query", MediaType.JPEG), choices=CHOICES)


def ask(
    server: OpenAIServer, *behaviours: Behaviour, naps: Naps | None = None, timeout_s: float = 30.0
) -> Reply:
    """Ask one question of a server that behaves like this."""
    server.script(*behaviours)
    options = ModelOptions(base_url=server.url, api_key=KEY, timeout_s=timeout_s)
    model = OpenAIModel("some-model", options, patience=(naps or Naps()).patience())
    return asyncio.run(model.answer(prompt()))
