"""Embed labelled images under every change, each exactly once."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmad_rag.encoders.protocol import Encoder, ImageTower
from mmad_rag.errors import DataError, EncoderError, ImageError
from mmad_rag.images import open_image
from mmad_rag.images.perturb import CHANGES_VERSION, changed
from mmad_rag.index.build.embed import Progress
from mmad_rag.index.views import VIEWS_VERSION, WHOLE, view_of
from mmad_rag.records import EncodedImage, FloatArray
from mmad_rag.retrieval_eval.images import FoundImages, LabelledImage, Reason

VECTORS, ABOUT = "vectors.npy", "vectors.json"


class VectorKey(NamedTuple):
    """What a vector was made from."""

    digest: str
    """SHA-256 (hex) of the image's bytes, before any change."""
    change: str
    """Name of the change."""


@dataclass(frozen=True)
class VectorCache:
    """Vectors by image and change, of one encoder and one seed."""

    encoder: str
    """The encoder's fingerprint."""
    seed: int
    """Of the changes."""
    vectors: dict[VectorKey, FloatArray] = field(default_factory=dict)
    """Shape (d,) each, unit length."""

    @classmethod
    def load(cls, folder: Path, *, encoder: str, seed: int) -> VectorCache:
        """Read the cache of a folder; empty when there is none, or one of another encoder, seed or version.

        Damaged files count as none: what they held is embedded again and they are replaced.
        """
        empty = cls(encoder, seed)
        try:
            about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
            data = (folder / VECTORS).read_bytes()
            keys = [VectorKey(str(digest), str(change)) for digest, change in about["keys"]]
            if about["header"] != empty._header(data):
                return empty
            rows = np.load(io.BytesIO(data), allow_pickle=False)
        except (OSError, ValueError, KeyError, TypeError):
            return empty
        if rows.ndim != 2 or len(rows) != len(keys) or not np.isfinite(rows).all():
            return empty
        return cls(encoder, seed, dict(zip(keys, rows.astype(np.float32), strict=True)))

    def save(self, folder: Path) -> None:
        """Write the cache; the description comes last and holds the hash of the vectors.

        Raises:
            DataError: the folder cannot be written to.
        """
        if not self.vectors:
            return
        buffer = io.BytesIO()
        np.save(buffer, np.stack(list(self.vectors.values())), allow_pickle=False)
        data = buffer.getvalue()
        about = json.dumps({"header": self._header(data), "keys": list(self.vectors)})
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / VECTORS).write_bytes(data)
            (folder / ABOUT).write_text(about + "\n", encoding="utf-8")
        except OSError as error:
            raise DataError(f"{folder} cannot be written to ({error}); name another folder") from error

    def _header(self, data: bytes) -> dict[str, str | int]:
        """What must be equal for the vectors to be used."""
        return {
            "format": 1,
            "encoder": self.encoder,
            "changes": CHANGES_VERSION,
            "views": VIEWS_VERSION,
            "seed": self.seed,
            "sha256": hashlib.sha256(data).hexdigest(),
        }


_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class EmbeddedImages:
    """Labelled images with their vectors."""

    found: FoundImages
    """What could be read."""
    vectors: Mapping[str, FloatArray]
    """Change -> shape (images, d), rows in the order of `found.pictures`."""
    embedded: int
    """Changed images that were embedded now; the others were in the cache."""


def embed_changes(
    found: FoundImages,
    changes: Sequence[str],
    encoder: Encoder,
    cache: VectorCache,
    progress: Progress | None = None,
) -> EmbeddedImages:
    """Open each image once, change it in every way, and embed what the cache does not hold yet.

    Args:
        found: What to embed; an image that cannot be read is left out of all changes, with that reason.
        changes: Names of changes.
        encoder: Must see images.
        cache: Filled on the way, also when this is interrupted.
        progress: Called with (stage, changed images done, changed images in all).

    Raises:
        EncoderError: the encoder has no image tower.
        ImageError: an image can be read, but not be changed.
    """
    tower = image_tower(encoder)
    missing = {
        image.digest: tuple(
            change for change in changes if VectorKey(image.digest, change) not in cache.vectors
        )
        for image in found.images
    }
    total = sum(map(len, missing.values()))
    unreadable: set[str] = set()
    waiting = _changed_images(found.images, missing, cache.seed, unreadable)
    embedded = 0
    while batch := list(islice(waiting, _AT_ONCE)):
        vectors = tower.encode_images([image for _, image in batch])
        cache.vectors.update((key, vector) for (key, _), vector in zip(batch, vectors, strict=True))
        embedded += len(batch)
        if progress:
            progress("embedding images", embedded, total)
    readable = found.without(Reason.UNREADABLE, unreadable)
    return EmbeddedImages(
        readable,
        {change: _rows(readable.images, change, cache, encoder.dim) for change in changes},
        embedded,
    )


def image_tower(encoder: Encoder) -> ImageTower:
    """The encoder's image tower.

    Raises:
        EncoderError: it has none.
    """
    if encoder.images is None:
        raise EncoderError(
            f"the encoder {encoder.spec} has no image tower; measure with an encoder that sees images"
        )
    return encoder.images


def _changed_images(
    images: Sequence[LabelledImage],
    missing: Mapping[str, Sequence[str]],
    seed: int,
    unreadable: set[str],
) -> Iterator[tuple[VectorKey, EncodedImage]]:
    """Every changed image that has no vector yet; names of those that cannot be read go to `unreadable`."""
    for image in images:
        if not missing[image.digest]:
            continue
        try:
            opened = open_image(image.path)
        except ImageError:
            unreadable.add(image.name)
            continue
        for change in missing[image.digest]:
            shown = view_of(changed(opened, change, seed=seed), WHOLE)
            yield VectorKey(image.digest, change), shown


def _rows(images: Sequence[LabelledImage], change: str, cache: VectorCache, dim: int) -> FloatArray:
    rows = [cache.vectors[VectorKey(image.digest, change)] for image in images]
    return np.stack(rows) if rows else np.empty((0, dim), np.float32)
