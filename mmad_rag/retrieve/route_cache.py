"""Remember what was found about images, by the bytes or text that they came as."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from mmad_rag.records import EncodedImage, FloatArray, Knowledge, Route
from mmad_rag.retrieve.clip import ClipRetriever
from mmad_rag.retrieve.selection.tokenizers import NamedCounter


@dataclass(frozen=True, slots=True)
class SeenImage:
    """What is remembered of an image."""

    vector: FloatArray
    """In the index's space, shape (d,), unit length."""
    digest: str
    """SHA-256 (hex) of its bytes."""
    route: Route
    """Which product it shows; the question has no part in that."""
    index: str
    """Fingerprint of the index by which it was routed."""


def see(retriever: ClipRetriever, image: EncodedImage) -> SeenImage:
    """Embed and route an image.

    Raises:
        EncoderError: the index's encoder has no image tower.
    """
    vector, route = retriever.vector(image), retriever.route(image)
    return SeenImage(vector, image.digest, route, retriever.index.fingerprint)


def recall(
    retriever: ClipRetriever, seen: SeenImage, question: str, counter: NamedCounter | None = None
) -> Knowledge:
    """Exactly what `retriever.retrieve` finds for the image, without the image.

    Args:
        retriever: The one that saw the image.
        seen: What it remembers of it.
        question: The question's words.
        counter: Counts the tokens instead of the retriever's.
    """
    if counter is None:
        return retriever.retrieve_routed(question, seen.route, seen.vector, (seen.digest,))
    return retriever.retrieve_routed(question, seen.route, seen.vector, (seen.digest,), counter=counter)


class SeenImages:
    """The images that were asked about last; safe to use from several threads.

    Args:
        kept: How many; the one that was not asked about for the longest is forgotten first.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._seen: OrderedDict[bytes, SeenImage] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: str | bytes) -> SeenImage | None:
        """What is remembered of an image that came as this `data:` URL or these bytes."""
        key = _key(source)
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None:
                self._seen.move_to_end(key)
        return seen

    def put(self, source: str | bytes, seen: SeenImage) -> None:
        """Remember an image by what it came as."""
        key = _key(source)
        with self._lock:
            self._seen[key] = seen
            if len(self._seen) > self._kept:
                self._seen.popitem(last=False)


def _key(source: str | bytes) -> bytes:
    data = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).digest()
