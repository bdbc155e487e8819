"""Images that were seen before: the memory alone, and the library's doors that use it."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import pytest

from mmad_rag import RagWrapper
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.images import ImageSource, open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.rag import augment as lookup
from mmad_rag.records import EncodedImage, FloatArray, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve import ClipRetriever, FixedProductRetriever
from mmad_rag.retrieve.route_cache import SeenImage, SeenImages
from mmad_rag.retrieve.selection.tokenizers import NamedCounter
from tests.support.openai_server import OpenAIServer
from tests.support.serving import data_url
from tests.support.world import COLOURS, World, png

RED, BLUE = (data_url(png(COLOURS[name], shade=99)) for name in ("red", "blue"))
YELLOW = data_url(png((255, 255, 0), shade=97))
"""No product of the tiny world."""


def image_of(name: str) -> SeenImage:
    return SeenImage(np.ones(3, np.float32), name, Route(RouteOutcome.UNKNOWN, (), (), 0.0), "index")


def shown(url: str, question: str = "Is there a crack?") -> list[dict[str, Any]]:
    parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
    return [{"role": "user", "content": parts}]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counter[ImageSource]:
    """How often the library's doors opened each image."""
    counts: Counter[ImageSource] = Counter()

    def counting(source: ImageSource) -> EncodedImage:
        counts[source] += 1
        return open_image(source)

    monkeypatch.setattr(lookup, "open_image", counting)
    return counts


class Counting(ClipRetriever):
    """Counts what it embeds or routes."""

    def __init__(self, index: KnowledgeIndex, encoder: Encoder) -> None:
        super().__init__(index, encoder=encoder)
        self.counts: Counter[str] = Counter()

    def vector(self, image: EncodedImage, references: Sequence[EncodedImage] = ()) -> FloatArray:
        self.counts["vector"] += 1
        return super().vector(image, references)

    def route(self, image: EncodedImage, references: Sequence[EncodedImage] = ()) -> Route:
        self.counts["route"] += 1
        return super().route(image, references)


# ----------------------------------------------------------------------------------------- the memory alone


def test_what_was_not_asked_about_for_the_longest_is_forgotten_first() -> None:
    seen = SeenImages(2)
    first, second, third = (image_of(name) for name in "abc")
    seen.put("a", first)
    seen.put("b", second)
    assert seen.get("a") is first  # now b is the one that waits
    seen.put("c", third)
    assert [seen.get(name) for name in "abc"] == [first, None, third]


def test_put_again_a_picture_takes_no_second_place() -> None:
    seen = SeenImages(2)
    for name in ("a", "b", "b", "b"):
        seen.put(name, image_of(name))
    assert seen.get("a") is not None


def test_text_and_bytes_are_remembered_even_with_half_a_character() -> None:
    seen = SeenImages(3)
    sources: list[str | bytes] = ["data:\ud800", b"\xff\xfe", "ä"]
    for number, source in enumerate(sources):
        seen.put(source, image_of(str(number)))
    found = [seen.get(source) for source in sources]
    assert [image.digest for image in found if image is not None] == ["0", "1", "2"]


def test_threads_neither_mix_pictures_up_nor_keep_too_many() -> None:
    seen, names = SeenImages(10), [f"image {number}" for number in range(40)]

    def work(offset: int) -> int:
        wrong = 0
        for step in range(2_000):
            name = names[(offset * 7 + step) % len(names)]
            found = seen.get(name)
            wrong += found is not None and found.digest != name
            seen.put(name, image_of(name))
        return wrong

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 0
    assert sum(seen.get(name) is not None for name in names) == 10


# --------------------------------------------------------------------------------------- the library's doors


def test_a_picture_seen_before_is_neither_opened_nor_embedded_nor_routed(
    index: KnowledgeIndex, encoder: Encoder, opened: Counter[ImageSource]
) -> None:
    retriever = Counting(index, encoder)
    rag = RagWrapper(retriever=retriever)
    rag.augment(shown(RED))
    once = Counter(retriever.counts)
    assert once["route"] == 1
    for number in range(5):
        assert rag.consult(shown(RED, f"Is there a crack at place {number}?")).added
    assert retriever.counts == once
    assert opened == {RED: 1}
    rag.augment(shown(BLUE))
    assert opened == {RED: 1, BLUE: 1}


def test_what_is_remembered_gives_exactly_the_knowledge_of_the_picture(
    world: World, index: KnowledgeIndex, encoder: Encoder
) -> None:
    """Also for an image that is itself a reference, and for one of no product."""
    own = data_url((world.references / "green_square" / "1.png").read_bytes())
    plain = ClipRetriever(index, encoder=encoder)
    rag = RagWrapper(retriever=ClipRetriever(index, encoder=encoder))
    for _ in range(2):
        for url in (RED, BLUE, YELLOW, own):
            for question in ("Is there a crack?", "What is the cause of the stain?", ""):
                expected = plain.retrieve(question, open_image(url))
                assert rag.consult(shown(url, question)).knowledge == expected


def test_a_remembered_picture_is_no_evidence_for_itself(index: KnowledgeIndex, encoder: Encoder) -> None:
    """What selects passages is told whose bytes the image has, as when it was looked at."""

    class Noting(ClipRetriever):
        def retrieve_routed(
            self,
            question: str,
            route: Route,
            vector: FloatArray,
            own_digests: Collection[str] = (),
            *,
            counter: NamedCounter | None = None,
        ) -> Knowledge:
            told.append(tuple(own_digests))
            return super().retrieve_routed(question, route, vector, own_digests, counter=counter)

    told: list[tuple[str, ...]] = []
    rag = RagWrapper(retriever=Noting(index, encoder=encoder))
    rag.augment(shown(RED))
    rag.augment(shown(RED, "Where?"))
    assert told == [(open_image(RED).digest,)] * 2


def test_all_clients_of_a_wrapper_share_what_it_has_seen(
    index: KnowledgeIndex,
    encoder: Encoder,
    openai_server: OpenAIServer,
    opened: Counter[ImageSource],
) -> None:
    rag = RagWrapper(retriever=ClipRetriever(index, encoder=encoder))
    expected = rag.augment(shown(RED))
    messages: Any = shown(RED)

    async def ask() -> None:
        async with openai.AsyncOpenAI(base_url=openai_server.url, api_key="k") as client:
            await rag.wrap(client).chat.completions.create(model="m", messages=messages)

    with openai.OpenAI(base_url=openai_server.url, api_key="k") as client:
        rag.wrap(client).chat.completions.create(model="m", messages=messages)
    asyncio.run(ask())
    assert [request.body["messages"] for request in openai_server.requests] == [expected, expected]
    assert opened == {RED: 1}


def test_many_threads_get_the_knowledge_of_their_own_picture(index: KnowledgeIndex, encoder: Encoder) -> None:
    rag = RagWrapper(retriever=ClipRetriever(index, encoder=encoder))
    wanted = {RED: ("red_disc",), BLUE: ("blue_bar",), YELLOW: ()}

    def work(number: int) -> bool:
        url = list(wanted)[number % 3]
        knowledge = rag.consult(shown(url, f"Question {number}?")).knowledge
        return knowledge is not None and knowledge.route.products == wanted[url]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(120)))


def test_a_broken_picture_is_not_remembered(
    index: KnowledgeIndex, encoder: Encoder, opened: Counter[ImageSource]
) -> None:
    rag = RagWrapper(retriever=ClipRetriever(index, encoder=encoder))
    broken = "data:image/png;base64," + base64.b64encode(b"no image").decode()
    for _ in range(2):
        with pytest.raises(Exception, match="cannot be read"):
            rag.augment(shown(broken))
    assert opened == {broken: 2}


def test_another_index_does_not_inherit_routes(world: World, index: KnowledgeIndex, encoder: Encoder) -> None:
    rag = RagWrapper(retriever=ClipRetriever(index, encoder=encoder))
    before = rag.consult(shown(RED)).knowledge
    other = ClipRetriever(KnowledgeIndex.build(world.knowledge, encoder), encoder=encoder)
    rag.retriever = other
    after = rag.consult(shown(RED)).knowledge
    assert after == other.retrieve("Is there a crack?", open_image(RED))
    assert after != before


def test_retrievers_that_look_things_up_in_their_own_way_are_always_asked(
    index: KnowledgeIndex, encoder: Encoder, opened: Counter[ImageSource]
) -> None:
    class Own(ClipRetriever):
        def retrieve(self, question: str, image: EncodedImage | None, references: Any = ()) -> Knowledge:  # noqa: ANN401
            return super().retrieve(f"{question} Where?", image, references)

    own = Own(index, encoder=encoder)
    fixed = FixedProductRetriever(index, "blue_bar", text_encoder=encoder)
    for retriever in (own, fixed):
        opened.clear()
        rag = RagWrapper(retriever=retriever)
        for _ in range(2):
            expected = retriever.retrieve("Is there a crack?", open_image(RED))
            assert rag.consult(shown(RED)).knowledge == expected
        assert opened == {RED: 2}
