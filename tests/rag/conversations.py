"""Messages of OpenAI's kind, and a retriever that keeps what it was asked."""

from __future__ import annotations

import base64
from typing import Any

from mmad_rag import RagWrapper
from mmad_rag.images import open_image
from mmad_rag.prompt import knowledge_text
from mmad_rag.records import EncodedImage, Knowledge
from mmad_rag.retrieve import ClipRetriever
from tests.support.world import COLOURS, png

QUESTION = "Is there any defect in the object?"


def url_of(colour: tuple[int, int, int], shade: int = 99) -> str:
    return "data:image/png;base64," + base64.b64encode(png(colour, shade=shade)).decode()


RED, BLUE = url_of(COLOURS["red"]), url_of(COLOURS["blue"])


class Watched:
    """A retriever that notes down what it is asked."""

    def __init__(self, inner: ClipRetriever) -> None:
        self.inner = inner
        self.asked: list[tuple[str, str]] = []

    @property
    def identity(self) -> str:
        return self.inner.identity

    def retrieve(self, question: str, picture: EncodedImage | None, references: Any = ()) -> Knowledge:  # noqa: ANN401
        assert picture is not None
        assert not references
        knowledge = self.inner.retrieve(question, picture)
        self.asked.append((question, knowledge.route.products[0] if knowledge.route.products else ""))
        return knowledge


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def block_of(rag: RagWrapper, question: str, url: str) -> str:
    return knowledge_text(rag.retriever.retrieve(question, open_image(url)))
