"""A cache of embedded and routed images, keyed by the bytes or the `data:` URL that a caller sent."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass

from mmad_rag.images import is_as_given
from mmad_rag.records import EncodedImage, FloatArray, Knowledge, Route
from mmad_rag.retrieve.clip import ClipRetriever
from mmad_rag.retrieve.selection.tokenizers import NamedCounter


@dataclass(frozen=True, slots=True)
class SeenImage:
    """The cached values of one image."""

    vector: FloatArray
    """The image's vector in the index's space, shape (d,), unit length."""
    digest: str
    """SHA-256 (hex) of the image's bytes."""
    route: Route
    """The product that the image shows; it does not depend on the question."""
    index: str
    """Fingerprint of the index by which the image was routed."""
    as_given: bool = True
    """Whether a model may be sent the given bytes; False if they had to be written anew."""


def see(retriever: ClipRetriever, image: EncodedImage) -> SeenImage:
    """Embed and route an image.

    Raises:
        EncoderError: the index's encoder has no image tower.
    """
    vector, route = retriever.vector(image), retriever.route(image)
    return SeenImage(vector, image.digest, route, retriever.index.fingerprint, is_as_given(image))


def recall(
    retriever: ClipRetriever, seen: SeenImage, question: str, counter: NamedCounter | None = None
) -> Knowledge:
    """Find exactly what `retriever.retrieve` finds for the image, without the image itself.

    Args:
        retriever: The retriever that embedded and routed the image.
        seen: The cached values of the image.
        question: The question's words.
        counter: Counts the tokens instead of the retriever's.
    """
    return retriever.retrieve_routed(question, seen.route, seen.vector, (seen.digest,), counter=counter)


class SeenImages:
    """The images that were used last; safe to use from several threads.

    Args:
        kept: Number of images; the least recently used one is dropped first.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._seen: OrderedDict[bytes, SeenImage] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: str | bytes) -> SeenImage | None:
        """The cached values of the image that was sent as this `data:` URL or as these bytes."""
        key = _key(source)
        with self._lock:
            seen = self._seen.get(key)
            if seen is not None:
                self._seen.move_to_end(key)
        return seen

    def put(self, source: str | bytes, seen: SeenImage) -> None:
        """Cache an image under the `data:` URL or the bytes that it was sent as."""
        key = _key(source)
        with self._lock:
            self._seen[key] = seen
            if len(self._seen) > self._kept:
                self._seen.popitem(last=False)


def _key(source: str | bytes) -> bytes:
    data = source if isinstance(source, bytes) else source.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).digest()
