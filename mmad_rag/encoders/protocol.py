"""The interface of an encoder for the rest of the library: images and texts in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mmad_rag.encoders.spec import EncoderSpec
from mmad_rag.records import EncodedImage, FloatArray


class ImageTower(Protocol):
    """The image half of an encoder."""

    def encode_images(self, images: Sequence[EncodedImage]) -> FloatArray:
        """Embed images in batches: float32 of shape (len(images), dim), rows of unit length."""
        ...


class TextTower(Protocol):
    """The text half of an encoder."""

    def encode_texts(self, texts: Sequence[str]) -> FloatArray:
        """Embed texts in batches: float32 of shape (len(texts), dim), rows of unit length.

        Raises:
            EncoderError: a text is longer than the context; texts are never cut silently.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Number of tokens of `text` including the start and end marks, before any cutting."""
        ...


@dataclass(frozen=True, slots=True)
class Encoder:
    """A loaded encoder; get one with `mmad_rag.encoders.load_encoder`."""

    spec: str
    """The spec that it was loaded by, e.g. `open_clip:ViT-B-32-256/datacomp_s34b_b86k`."""
    fingerprint: str
    """SHA-256 (hex) over weights and preprocessing: equal fingerprints give equal vectors."""
    dim: int
    """Length of a vector."""
    images: ImageTower | None
    """The image tower; None for an encoder of texts only."""
    texts: TextTower | None
    """The text tower; None for an encoder of images only. Two towers share one space."""
    context: int | None
    """Longest text in tokens including start and end marks; None without a text tower."""


class EncoderLoader(Protocol):
    """Loads the encoders of one prefix: what an entry point of the group `mmad_rag.encoders` names."""

    def __call__(self, spec: EncoderSpec, *, device: str, batch_size: int) -> Encoder:
        """Load the encoder that a spec names.

        Args:
            spec: The parsed spec; the `Encoder` carries `spec.text`, by which an index loads it again.
            device: The device as the user gave it, `cpu` by default; a loader may ignore it.
            batch_size: Images or texts per forward pass, at least 1; it must not change results.

        Raises:
            SpecError: there is no encoder of this name.
            EncoderError: it cannot be loaded.
        """
        ...
