"""What the rest of the library needs from an encoder: images and texts in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
            EncoderError: a text is longer than the context; split it first, nothing is cut silently.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` including the start and end marks, before any cutting."""
        ...


@dataclass(frozen=True, slots=True)
class Encoder:
    """A loaded encoder; get one with `mmad_rag.encoders.load_encoder`."""

    spec: str
    """What it was loaded by, e.g. `open_clip:ViT-B-32-256/datacomp_s34b_b86k`."""
    fingerprint: str
    """SHA-256 (hex) over weights and preprocessing: equal fingerprints give equal vectors."""
    dim: int
    """Length of a vector."""
    images: ImageTower | None
    """None for an encoder of texts only."""
    texts: TextTower | None
    """None for an encoder of images only. Where both towers exist they share one space."""
    context: int | None
    """Longest text in tokens including start and end marks; None without a text tower."""
