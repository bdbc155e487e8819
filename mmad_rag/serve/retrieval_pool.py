"""Look up knowledge for an image without holding up the event loop."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mmad_rag.images import open_image
from mmad_rag.records import Knowledge
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.config import RetrievalConfig
from mmad_rag.retrieve.route_cache import SeenImage, SeenImages, recall, see
from mmad_rag.retrieve.selection.tokenizers import NamedCounter
from mmad_rag.serve.images import data_url_bytes, open_limited
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics

_T = TypeVar("_T")

_SMALL = 512 * 1024
"""Characters of a `data:` URL, or bytes, that are hashed in half a millisecond."""
_COUNTERS_KEPT = 256
"""Names of models; a client may send any."""
_SHORT = 4_000
"""Characters of a question that are compared with passages in half a millisecond."""


class Lookup:
    """A retriever, asked in threads where that takes long: some embed images, another selects passages.

    Two groups, because an image that is known already should not wait behind one that is being embedded.
    An image is remembered by the digest of what was sent, and then neither decoded nor routed again. What
    takes half a millisecond (an image that is known, passages found by their words) is done at once: handing
    it to a thread and fetching it back takes longer, above all where both want the interpreter.

    Args:
        retriever: Whom to ask.
        limits: Threads, images kept, sizes.
        metrics: Where hits and misses are counted.
        config: What the retriever was made from; tokens of knowledge are then counted as the model that a
            request names counts them. None leaves that to the retriever.
    """

    def __init__(
        self,
        retriever: ClipRetriever,
        limits: Limits,
        metrics: Metrics,
        *,
        config: RetrievalConfig | None = None,
    ) -> None:
        self._retriever = retriever
        self._limits = limits
        self._metrics = metrics
        self._config = config
        self._counters: dict[str, NamedCounter] = {}
        self._eyes = ThreadPoolExecutor(limits.lookups, "mmad-rag-embed")
        self._hands = ThreadPoolExecutor(1, "mmad-rag-select")  # a retriever selects one at a time
        self._seen = SeenImages(limits.images_kept)

    async def find(self, source: str | bytes, question: str, *, model: object = None) -> Knowledge:
        """What is known about the image in a `data:` URL or in bytes.

        Args:
            source: The image.
            question: The question's words.
            model: What the request names as its model.

        Raises:
            RefusalError: 400 no whole image, 413 too large.
        """
        if len(source) <= _SMALL:
            seen = self._seen.get(source)
        else:
            seen = await _in(self._hands, lambda: self._seen.get(source))
        self._metrics.count_cache(hit=seen is not None)
        found = seen if seen is not None else await _in(self._eyes, lambda: self._look(source))
        counter = await self._counter(model)
        if self._retriever.selects_by_words and len(question) <= _SHORT:
            return recall(self._retriever, found, question, counter)
        return await _in(self._hands, lambda: recall(self._retriever, found, question, counter))

    def close(self) -> None:
        """Let the threads end; nothing can be found any more."""
        self._eyes.shutdown(wait=False, cancel_futures=True)
        self._hands.shutdown(wait=False, cancel_futures=True)

    def _look(self, source: str | bytes) -> SeenImage:
        data = source if isinstance(source, bytes) else data_url_bytes(source, self._limits)
        seen = see(self._retriever, open_limited(data, self._limits))
        self._seen.put(source, seen)
        return seen

    async def _counter(self, model: object) -> NamedCounter | None:
        """What the request's model counts by; found once per name, as a tokenizer takes a second to load."""
        config = self._config
        if config is None or not isinstance(model, str):
            return None
        known = self._counters.get(model)
        if known is None:
            known = await _in(self._hands, lambda: config.for_request(model).counter)
            if len(self._counters) < _COUNTERS_KEPT:
                self._counters[model] = known
        return known


async def _in(pool: ThreadPoolExecutor, work: Callable[[], _T]) -> _T:
    return await asyncio.get_running_loop().run_in_executor(pool, work)


def warm(retriever: ClipRetriever) -> None:
    """Embed a grey image and select passages of a product for it.

    Raises:
        EncoderError: the index's encoder has no image tower.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, format="PNG")
    vector = retriever.vector(open_image(buffer.getvalue(), name="a grey image"))
    retriever.retrieve_vector("Is there a defect?", vector)
    # an image of no product selects nothing, so what texts are compared by would stay unloaded
    index = retriever.index
    rows = index.reference_vectors if len(index.reference_vectors) else index.key_vectors
    retriever.retrieve_vector("Is there a defect?", rows[0])
