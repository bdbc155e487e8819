"""Look up knowledge for an image without blocking the event loop."""

from __future__ import annotations

import asyncio
import io
from dataclasses import dataclass

from mmad_rag.images import data_url, open_image
from mmad_rag.models.event_loops import WaitingThreads
from mmad_rag.records import EncodedImage, Knowledge
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.retrieve.config import RequestCounters
from mmad_rag.retrieve.route_cache import SeenImage, SeenImages, recall, see
from mmad_rag.retrieve.selection.tokenizers import NamedCounter
from mmad_rag.serve.errors import RefusalError
from mmad_rag.serve.images import data_url_bytes, open_limited
from mmad_rag.serve.limits import Limits
from mmad_rag.serve.metrics import Metrics

_SMALL = 512 * 1024
"""Length of a `data:` URL in characters, or of an image in bytes, that is hashed in half a millisecond."""
_SHORT = 4_000
"""Length of a question in characters that is compared with passages in half a millisecond."""


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a look-up."""

    knowledge: Knowledge
    """The knowledge about the image."""
    url: str | None = None
    """The image as a `data:` URL, written anew; None if a model may be sent the given one."""


class Lookup:
    """Runs a retriever, with slow steps in threads: some embed images, another one selects passages.

    There are two thread pools so that a cached image does not wait behind one that is being embedded. Images
    are cached by the digest of the bytes sent, and then neither decoded nor routed again. Steps of half a
    millisecond (a cached image, passages found by their words) run at once: passing them to a thread and back
    takes longer, above all when both threads compete for the interpreter.

    Args:
        retriever: The retriever to run.
        limits: Limits on threads, cached images and sizes.
        metrics: Counts hits and misses of the cache.
        counters: Find the counter of the model that a request names, by which its knowledge is then counted.
            None uses the retriever's counter.
    """

    def __init__(
        self,
        retriever: ClipRetriever,
        limits: Limits,
        metrics: Metrics,
        *,
        counters: RequestCounters | None = None,
    ) -> None:
        self._retriever = retriever
        self._limits = limits
        self._metrics = metrics
        self._counters = counters
        self._eyes = WaitingThreads(limits.lookups, "mmad-rag-embed")
        self._hands = WaitingThreads(1, "mmad-rag-select")  # a retriever selects for one image at a time
        self._seen = SeenImages(limits.images_kept)

    async def find(self, source: str | bytes, question: str, *, model: object = None) -> Found:
        """Look up the knowledge about an image, within `Limits.lookup_s`.

        Args:
            source: The image as a `data:` URL or as bytes.
            question: The question's words.
            model: The value of the request's field `model`.

        Raises:
            RefusalError: 400 if the image is not complete, 413 if it is too large, 504 if it takes too long.
        """
        try:
            async with asyncio.timeout(self._limits.lookup_s):
                return await self._found(source, question, model)
        except TimeoutError:
            raise RefusalError(
                504,
                f"the knowledge was not found within {self._limits.lookup_s:g} s; ask again, send a smaller "
                "image, or start the server with a larger --lookup-timeout",
                code="lookup_timeout",
            ) from None

    async def _found(self, source: str | bytes, question: str, model: object) -> Found:
        if len(source) <= _SMALL:
            seen = self._seen.get(source)
        else:
            seen = await self._hands.run(lambda: self._seen.get(source))
        self._metrics.count_cache(hit=seen is not None)
        found = seen if seen is not None else await self._eyes.run(lambda: self._look(source))
        counter = await self._counter(model)
        if self._retriever.selects_by_words and len(question) <= _SHORT:
            knowledge = recall(self._retriever, found, question, counter)
        else:
            knowledge = await self._hands.run(lambda: recall(self._retriever, found, question, counter))
        if found.as_given or isinstance(source, bytes) or not knowledge.hits:
            return Found(knowledge)
        return Found(knowledge, await self._eyes.run(lambda: data_url(self._opened(source))))

    def close(self) -> None:
        """End the threads; no further look-up is possible."""
        self._eyes.close()
        self._hands.close()

    def _look(self, source: str | bytes) -> SeenImage:
        seen = see(self._retriever, self._opened(source))
        self._seen.put(source, seen)
        return seen

    def _opened(self, source: str | bytes) -> EncodedImage:
        data = source if isinstance(source, bytes) else data_url_bytes(source, self._limits)
        return open_limited(data, self._limits)

    async def _counter(self, model: object) -> NamedCounter | None:
        """The token counter of the request's model; found in a thread, as a tokenizer may have to load."""
        counters = self._counters
        if counters is None:
            return None
        return counters.known(model) or await self._hands.run(lambda: counters.find(model))


def warm(retriever: ClipRetriever) -> None:
    """Embed a grey image and select passages of a product, so that everything is loaded.

    Raises:
        EncoderError: the index's encoder has no image tower.
    """
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(buffer, format="PNG")
    vector = retriever.vector(open_image(buffer.getvalue(), name="a grey image"))
    retriever.retrieve_vector("Is there a defect?", vector)
    # a grey image shows no product and selects nothing, so the similarity of texts would not be loaded
    index = retriever.index
    rows = index.reference_vectors if len(index.reference_vectors) else index.key_vectors
    retriever.retrieve_vector("Is there a defect?", rows[0])
