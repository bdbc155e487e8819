"""Our retrieval as a LlamaIndex retriever."""

from __future__ import annotations

import asyncio
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

# Everything here is LlamaIndex's; `mmad_rag` itself never imports this file.
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.core.settings import Settings

from mmad_rag.errors import InputError
from mmad_rag.images import open_image
from mmad_rag.index import KnowledgeIndex
from mmad_rag.index.data import IndexData
from mmad_rag.records import EncodedImage, FloatArray, Knowledge
from mmad_rag.retrieve.config import RetrievalConfig
from mmad_rag.retrieve.protocol import Retriever, VectorRetriever
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET

if TYPE_CHECKING:
    from llama_index.core.callbacks import CallbackManager

_SHOWN_TO_LLM = ("product", "title")
"""The metadata that a LlamaIndex prompt shows with a passage; the rest is for programs."""


class LlamaIndexRetriever(BaseRetriever):  # type: ignore[misc] # LlamaIndex is not type-checked here
    """Looks up passages for a `QueryBundle` and gives them as nodes, in the order of our own prompt.

    The bundle's `image_path` says which image is meant: a path, a `data:` URL, or encoded bytes. Without
    one, its `embedding` does: the image's vector by the encoder of the index, of any length above zero.
    Its `query_str` is the question. A question without an image finds nothing, unless a
    `FixedProductRetriever` is wrapped, which knows the product already; so does an image of an unknown
    product. Of a near-tie, the passages of both products are given.

    A node's id is the passage's, its score the hit's: comparable within one retrieval only. Its metadata are
    `product`, `entry`, `field` and `title` of the passage; `outcome` and `confidence` of the route; `number`,
    its place in our prompt, counted from 1; and `index`, the fingerprint of what was asked.

    LlamaIndex's own vector retrievers write the question's text vector into `embedding` of the bundle that
    they share with others. Give `image_path`, which goes before it, when this one runs beside them.
    The queries that a `QueryFusionRetriever` writes itself carry no image and find nothing.

    Args:
        retriever: What to ask: an index, the folder of one, or any `Retriever`.
        budget: Tokens of knowledge per question, when an index is given.
        model: The model that is shown the passages, e.g. `openai:gpt-4o`: tokens are counted as it does;
            None estimates them.
        callback_manager: By default that of LlamaIndex's `Settings`.

    Raises:
        IndexMismatchError: the index is absent, damaged, or the encoder is not the one that built it.

    Example:
        >>> retriever = LlamaIndexRetriever("indexes/default")                       # doctest: +SKIP
        >>> query = QueryBundle("Where is the defect?", image_path="nut.png")        # doctest: +SKIP
        >>> [node.node_id for node in retriever.retrieve(query)]                     # doctest: +SKIP
        ['metal_nut/normal/appearance/1', 'metal_nut/scratch/location/1']
    """

    def __init__(
        self,
        retriever: Retriever | IndexData | Path | str,
        *,
        budget: int = DEFAULT_BUDGET,
        model: str | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager=callback_manager or Settings.callback_manager)
        if isinstance(retriever, str | Path):
            retriever = KnowledgeIndex.load(retriever)
        if isinstance(retriever, IndexData):
            retriever = RetrievalConfig.for_model(model, budget=budget).clip(retriever)
        self.retriever: Retriever = retriever

    def look_up(self, query: QueryBundle) -> Knowledge:
        """What is known for a query, as our own record: with the whole route, and `Knowledge.hits`.

        Raises:
            ImageError: the image cannot be read.
            InputError: the embedding has no direction, or the wrapped retriever takes images only.
            IndexMismatchError: the embedding has another length than the index's vectors.
        """
        if query.image_path is None and query.embedding is not None:
            if not isinstance(self.retriever, VectorRetriever):
                raise InputError(
                    f"the retriever {self.retriever.identity} takes images and no vectors; "
                    "give the query's image_path instead of its embedding"
                )
            return self.retriever.retrieve_vector(query.query_str, _vector(query.embedding))
        return self.retriever.retrieve(query.query_str, _image(query.image_path))

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return _nodes(self.look_up(query_bundle))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """In a thread, because encoding an image would hold up the loop."""
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _image(source: Any) -> EncodedImage | None:  # noqa: ANN401 - LlamaIndex does not hold callers to its types
    """The image that a query names; `image_path` is a dataclass field, so anything may stand there."""
    if source is None:
        return None
    if isinstance(source, BytesIO):
        source = source.getvalue()
    elif isinstance(source, bytearray | memoryview):
        source = bytes(source)
    return open_image(source)


def _vector(embedding: Any) -> FloatArray:  # noqa: ANN401 - as above: a list, an array or anything else
    """As float32; a number too large for that becomes infinite, which the retriever refuses."""
    try:
        with np.errstate(over="ignore"):
            vector: FloatArray = np.asarray(embedding, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the query's embedding is not a list of numbers ({error}); give a flat one"
        ) from error
    return vector


def _nodes(knowledge: Knowledge) -> list[NodeWithScore]:
    route = knowledge.route
    nodes = []
    for number, hit in enumerate(knowledge.hits, 1):
        passage = hit.passage
        metadata = {
            "product": passage.product,
            "entry": passage.entry,
            "field": passage.field.value,
            "title": passage.title,
            "outcome": route.outcome.value,
            "confidence": route.confidence,
            "number": number,
            "index": knowledge.source,
        }
        node = TextNode(
            id_=passage.id,
            text=passage.text,
            metadata=metadata,
            excluded_llm_metadata_keys=[key for key in metadata if key not in _SHOWN_TO_LLM],
            excluded_embed_metadata_keys=list(metadata),
        )
        nodes.append(NodeWithScore(node=node, score=hit.score))
    return nodes
