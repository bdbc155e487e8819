"""The one interface of everything that looks up knowledge for a question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from mmad_rag.records import EncodedImage, FloatArray, Knowledge


class Retriever(Protocol):
    """Looks up what is known about the product in an image."""

    @property
    def identity(self) -> str:
        """Everything that can change what is found, in one line."""
        ...

    def retrieve(
        self, question: str, image: EncodedImage | None, references: Sequence[EncodedImage] = ()
    ) -> Knowledge:
        """Find the passages for a question about an image.

        Args:
            question: The question's words. The choices are never shown to a retriever.
            image: The query image; None finds nothing unless the retriever knows the product already.
            references: Further images of the same product that the caller has.
        """
        ...


@runtime_checkable
class VectorRetriever(Protocol):
    """A retriever that takes images that are embedded already, too."""

    def retrieve_vector(self, question: str, vector: FloatArray) -> Knowledge:
        """As `Retriever.retrieve`, for the vector of an image by the encoder of the index, of any length."""
        ...
