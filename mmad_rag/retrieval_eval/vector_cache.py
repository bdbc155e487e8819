"""Vectors of changed pictures on disk, so that measuring again embeds nothing again."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmad_rag.errors import DataError
from mmad_rag.images.perturb import CHANGES_VERSION
from mmad_rag.index.build.views import VIEWS_VERSION
from mmad_rag.records import FloatArray

VECTORS, ABOUT = "vectors.npy", "vectors.json"


class VectorKey(NamedTuple):
    """What a vector was made from."""

    digest: str
    """SHA-256 (hex) of the picture's bytes, before any change."""
    change: str
    """Name of the change."""


@dataclass(frozen=True)
class VectorCache:
    """Vectors by picture and change, of one encoder and one seed."""

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
