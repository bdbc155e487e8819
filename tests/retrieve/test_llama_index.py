"""Our retrieval inside LlamaIndex: the same passages in the same order, and its pipelines run with it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload, LlamaDebugHandler
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.llms import MockLLM
from llama_index.core.postprocessor import SimilarityPostprocessor
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever, QueryFusionRetriever
from llama_index.core.schema import MetadataMode, QueryBundle

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import ImageError, IndexMismatchError, InputError
from mmad_rag.images import data_url, open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.views import WHOLE, view_of
from mmad_rag.records import Candidate, EncodedImage, Hit, Knowledge, Route, RouteOutcome
from mmad_rag.retrieve import ClipRetriever, FixedProductRetriever
from mmad_rag.retrieve.llama_index import LlamaIndexRetriever
from tests.house.test_examples import Block, blocks, play
from tests.support.warm import Warm
from tests.support.world import World

EFFECT = "There is a defect in the object. What is the effect of the defect?"


@pytest.fixture(scope="module")
def clip(index: KnowledgeIndex, encoder: Encoder) -> ClipRetriever:
    return ClipRetriever(index, encoder=encoder)


@pytest.fixture
def retriever(clip: ClipRetriever) -> LlamaIndexRetriever:
    return LlamaIndexRetriever(clip)


def ids(nodes: Sequence[Any]) -> list[str]:
    return [node.node_id for node in nodes]


def query(world: World, product: str = "red_disc") -> QueryBundle:
    return QueryBundle(EFFECT, image_path=str(world.queries[product]))


class Told:
    """A retriever of somebody else's, which is told its route."""

    identity = "told"

    def __init__(self, found: Knowledge) -> None:
        self.found = found
        self.threads: list[str] = []

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        self.threads.append(threading.current_thread().name)
        return self.found


def test_a_node_is_a_passage_with_all_that_is_known_of_it(
    world: World, retriever: LlamaIndexRetriever, clip: ClipRetriever
) -> None:
    """Text, id, score and order are our own; the metadata say where it is from and how sure the route is."""
    expected = clip.retrieve(EFFECT, open_image(world.queries["red_disc"]))
    nodes = retriever.retrieve(query(world))
    assert isinstance(retriever, BaseRetriever)
    assert len(nodes) == len(expected.hits) > 5
    for number, (node, hit) in enumerate(zip(nodes, expected.hits, strict=True), 1):
        assert node.node_id == hit.passage.id
        assert node.text == hit.passage.text
        assert node.score == hit.score
        assert node.metadata == {
            "product": "red_disc",
            "entry": hit.passage.entry,
            "field": hit.passage.field.value,
            "title": hit.passage.title,
            "outcome": "product",
            "confidence": expected.route.confidence,
            "number": number,
            "index": clip.index.fingerprint,
        }
    assert "red_disc/crack/effect/1" in ids(nodes)


def test_a_language_model_is_shown_product_and_title_only(
    world: World, retriever: LlamaIndexRetriever
) -> None:
    (node,) = (n.node for n in retriever.retrieve(query(world)) if n.node_id == "red_disc/crack/effect/1")
    shown = node.get_content(metadata_mode=MetadataMode.LLM)
    assert shown == "product: red_disc\ntitle: Crack in the disc\n\nSplinters of the disc can hurt a child."
    assert node.get_content(metadata_mode=MetadataMode.EMBED) == "Splinters of the disc can hurt a child."


def test_a_picture_may_be_a_path_a_data_url_or_bytes(world: World, retriever: LlamaIndexRetriever) -> None:
    path = world.queries["green_square"]
    data = path.read_bytes()
    expected = ids(retriever.retrieve(query(world, "green_square")))
    assert expected
    sources: list[Any] = [
        path,
        data_url(open_image(path)),
        data,
        bytearray(data),
        memoryview(data),
        BytesIO(data),
    ]
    for source in sources:
        assert ids(retriever.retrieve(QueryBundle(EFFECT, image_path=source))) == expected


@pytest.mark.parametrize("length", [1.0, 0.01, 300.0])
def test_an_embedding_of_any_length_says_which_picture(
    world: World, retriever: LlamaIndexRetriever, clip: ClipRetriever, encoder: Encoder, length: float
) -> None:
    image = open_image(world.queries["blue_bar"])
    assert encoder.images is not None
    vector = length * encoder.images.encode_images([view_of(image, WHOLE)])[0]
    expected = clip.retrieve(EFFECT, image)
    found = retriever.look_up(QueryBundle(EFFECT, embedding=vector.tolist()))
    assert found.route.products == expected.route.products == ("blue_bar",)
    assert found.route.confidence == pytest.approx(expected.route.confidence, abs=1e-4)
    assert [hit.passage for hit in found.hits] == [hit.passage for hit in expected.hits]


def test_the_picture_goes_before_the_embedding(world: World, retriever: LlamaIndexRetriever) -> None:
    """LlamaIndex's vector retrievers leave a text's embedding in the bundle that they share."""
    both = QueryBundle(EFFECT, image_path=str(world.queries["red_disc"]), embedding=[0.1] * 384)
    assert ids(retriever.retrieve(both)) == ids(retriever.retrieve(query(world)))


def test_a_question_without_a_picture_finds_nothing(retriever: LlamaIndexRetriever) -> None:
    assert retriever.retrieve(EFFECT) == []
    assert retriever.retrieve(QueryBundle(EFFECT)) == []


def test_a_chosen_product_needs_no_picture(index: KnowledgeIndex, encoder: Encoder, world: World) -> None:
    """Nor does it look at one, or at an embedding."""
    chosen = LlamaIndexRetriever(FixedProductRetriever(index, "blue_bar", text_encoder=encoder))
    nodes = chosen.retrieve(EFFECT)
    assert {node.metadata["product"] for node in nodes} == {"blue_bar"}
    assert {node.metadata["confidence"] for node in nodes} == {1.0}
    assert ids(chosen.retrieve(QueryBundle(EFFECT, embedding=[0.1] * 384))) == ids(nodes)
    assert ids(chosen.retrieve(query(world, "red_disc"))) == ids(nodes)


def test_an_unknown_product_gives_no_nodes() -> None:
    unknown = Route(RouteOutcome.UNKNOWN, (Candidate("red_disc", 0.1, 0.1, None),), (), 0.2)
    assert LlamaIndexRetriever(Told(Knowledge(unknown, (), "told"))).retrieve(EFFECT) == []


def test_a_near_tie_gives_passages_of_both_products(index: KnowledgeIndex) -> None:
    """The outcome stands with every node, and the numbers run on."""
    wanted = ("blue_bar/crack/effect/1", "red_disc/crack/effect/1")
    hits = tuple(Hit(passage, 0.5) for passage in index.passages if passage.id in wanted)
    tie = Route(RouteOutcome.NEAR_TIE, (), ("blue_bar", "red_disc"), 0.51)
    nodes = LlamaIndexRetriever(Told(Knowledge(tie, hits, "told"))).retrieve(EFFECT)
    assert [node.metadata["product"] for node in nodes] == ["blue_bar", "red_disc"]
    assert [node.metadata["outcome"] for node in nodes] == ["near-tie", "near-tie"]
    assert [node.metadata["number"] for node in nodes] == [1, 2]


def test_awaiting_gives_the_same_and_does_not_hold_up_the_loop(
    world: World, clip: ClipRetriever, retriever: LlamaIndexRetriever
) -> None:
    nodes = asyncio.run(retriever.aretrieve(query(world)))
    assert ids(nodes) == ids(retriever.retrieve(query(world)))
    told = Told(clip.retrieve(EFFECT, open_image(world.queries["red_disc"])))
    asyncio.run(LlamaIndexRetriever(told).aretrieve(EFFECT))
    assert told.threads[0] != threading.current_thread().name


def test_callbacks_see_the_retrieval(world: World, clip: ClipRetriever) -> None:
    debug = LlamaDebugHandler(print_trace_on_end=False)
    LlamaIndexRetriever(clip, callback_manager=CallbackManager([debug])).retrieve(query(world))
    ((start, end),) = debug.get_event_pairs(CBEventType.RETRIEVE)
    assert start.payload[EventPayload.QUERY_STR] == EFFECT
    assert "red_disc/crack/effect/1" in ids(end.payload[EventPayload.NODES])


def test_instrumentation_sees_the_retrieval_also_of_bytes(
    world: World, retriever: LlamaIndexRetriever, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    class Handler(BaseEventHandler):  # type: ignore[misc] # LlamaIndex is not type-checked here
        def handle(self, event: BaseEvent, **_: object) -> None:
            seen.append(event.class_name())

    root = get_dispatcher()
    monkeypatch.setattr(root, "event_handlers", [*root.event_handlers, Handler()])
    data: Any = world.queries["red_disc"].read_bytes()
    assert retriever.retrieve(QueryBundle(EFFECT, image_path=data))
    assert seen == ["RetrievalStartEvent", "RetrievalEndEvent"]


def test_a_query_engine_answers_from_our_passages(world: World, retriever: LlamaIndexRetriever) -> None:
    """Postprocessors drop nodes by our scores; the model is shown the texts that are left."""
    everything = retriever.retrieve(query(world))
    cutoff = sorted((node.score for node in everything), reverse=True)[2]
    engine = RetrieverQueryEngine.from_args(
        retriever,
        llm=MockLLM(),
        node_postprocessors=[SimilarityPostprocessor(similarity_cutoff=cutoff)],
    )
    kept = [node for node in everything if node.score >= cutoff]
    assert 0 < len(kept) < len(everything)
    for response in (engine.query(query(world)), asyncio.run(engine.aquery(query(world)))):
        assert ids(response.source_nodes) == ids(kept)
        assert all(node.text in str(response) for node in kept)
        assert "confidence" not in str(response)


def test_a_query_engine_says_nothing_of_an_unknown_picture(retriever: LlamaIndexRetriever) -> None:
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    assert str(engine.query(EFFECT)) == "Empty Response"


@pytest.mark.parametrize("mode", ["simple", "reciprocal_rerank", "relative_score"])
def test_it_is_fused_with_other_retrievers(
    index: KnowledgeIndex, encoder: Encoder, world: World, retriever: LlamaIndexRetriever, mode: str
) -> None:
    """The routed product's passages and another's, in one list, with and without a running pool."""
    other = LlamaIndexRetriever(FixedProductRetriever(index, "blue_bar", text_encoder=encoder))
    for use_async in (False, True):
        fused = QueryFusionRetriever(
            [retriever, other],
            llm=MockLLM(),
            mode=mode,
            num_queries=1,
            similarity_top_k=40,
            use_async=use_async,
        )
        found = ids(fused.retrieve(query(world)))
        assert set(found) == set(ids(retriever.retrieve(query(world))) + ids(other.retrieve(EFFECT)))
        assert ids(asyncio.run(fused.aretrieve(query(world)))) == found


def test_queries_that_a_fusion_writes_itself_change_nothing(
    world: World, retriever: LlamaIndexRetriever
) -> None:
    """They carry no image."""
    fused = QueryFusionRetriever([retriever], llm=MockLLM(), num_queries=3, similarity_top_k=40)
    assert set(ids(fused.retrieve(query(world)))) == set(ids(retriever.retrieve(query(world))))


def test_an_index_or_its_folder_is_wrapped(
    index: KnowledgeIndex, encoder: Encoder, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the budget that is given; the encoder is loaded by the manifest's spec."""
    monkeypatch.setattr("mmad_rag.retrieve.clip.load_encoder", lambda _spec: encoder)
    index.save(tmp_path / "saved")
    expected = ids(
        LlamaIndexRetriever(ClipRetriever(index, encoder=encoder, budget=90)).retrieve(query(world))
    )
    assert 0 < len(expected) < 10
    for source in (index, tmp_path / "saved", str(tmp_path / "saved")):
        assert ids(LlamaIndexRetriever(source, budget=90).retrieve(query(world))) == expected


def test_errors_of_ours_stay_ours(retriever: LlamaIndexRetriever, tmp_path: Path) -> None:
    missing = QueryBundle(EFFECT, image_path=str(tmp_path / "no.png"))
    engine = RetrieverQueryEngine.from_args(retriever, llm=MockLLM())
    for ask in (retriever.retrieve, engine.query, lambda q: asyncio.run(retriever.aretrieve(q))):
        with pytest.raises(ImageError, match=r"no image at .*no\.png"):
            ask(missing)
    with pytest.raises(IndexMismatchError, match="there is no index at"):
        LlamaIndexRetriever(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("embedding", "error", "message"),
    [
        ([0.1] * 384, IndexMismatchError, r"shape \(384,\), the index holds \(3,\)"),
        ([[0.1, 0.2, 0.3]], IndexMismatchError, r"shape \(1, 3\)"),
        ([0.0, 0.0, 0.0], InputError, "length 0.0, so it points nowhere"),
        ([0.1, float("nan"), 0.2], InputError, "length nan"),
        ([1e300, 0.0, 0.0], InputError, "length inf"),
        (["a", "b", "c"], InputError, "not a list of numbers"),
        ([[1.0], [2.0, 3.0]], InputError, "not a list of numbers"),
        ([], IndexMismatchError, r"shape \(0,\)"),
    ],
)
def test_an_embedding_that_means_no_picture_is_refused(
    retriever: LlamaIndexRetriever, embedding: list[Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        retriever.retrieve(QueryBundle(EFFECT, embedding=embedding))


def test_a_retriever_that_takes_no_vectors_says_so() -> None:
    told = Told(Knowledge(Route(RouteOutcome.UNKNOWN, (), (), 0.0), (), "told"))
    with pytest.raises(InputError, match="told takes images and no vectors; give the query's image_path"):
        LlamaIndexRetriever(told).retrieve(QueryBundle(EFFECT, embedding=[1.0, 0.0, 0.0]))


def test_llama_index_is_loaded_only_where_it_is_used() -> None:
    """Neither the retrievers nor the code that fills a store loads it."""
    code = "import sys, mmad_rag.retrieve, mmad_rag.index.vector_store; print('llama_index' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.slow
def test_the_walk_through_runs(tmp_path: Path, warm: Warm) -> None:
    """In one process, which loads the encoder's libraries once."""
    code = "\n".join(block.text for block in blocks("llama_index_retriever.md"))
    told = play(warm, Block("python", "", code), tmp_path)
    assert "metal_nut/bent/effect/1" in told
    assert re.search(r"[1-9]\d* of \d+ passages are left: \w", told)
    assert re.search(r"\d+ nodes in Qdrant, metal_nut, \d+ passages as with FAISS", told)
