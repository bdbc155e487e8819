"""Take over the vectors of an older index by what they were made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmad_rag.index.build.embed import KEY_TEMPLATES, TEXTS_VERSION
from mmad_rag.index.data import IndexData
from mmad_rag.index.rows import Key, KeyKind, Reference
from mmad_rag.index.views import VIEWS_VERSION
from mmad_rag.records import FloatArray


@dataclass(frozen=True, slots=True)
class KeySource:
    """What the vector of a key depends on, beside the encoder."""

    kind: KeyKind
    text: str


@dataclass(frozen=True, slots=True)
class ViewSource:
    """What the vector of a reference depends on, beside the encoder."""

    digest: str
    """SHA-256 (hex) of the image's bytes."""
    view: str


@dataclass(frozen=True, slots=True)
class KnownVectors:
    """Vectors of shape (d,) that need not be made again."""

    keys: Mapping[KeySource, FloatArray] = field(default_factory=dict)
    passages: Mapping[str, FloatArray] = field(default_factory=dict)
    """By text."""
    references: Mapping[ViewSource, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reuse:
    """Where the vectors of an index come from, counted in rows."""

    taken_over: int
    """From the older index."""
    embedded: int
    """Made anew; rows with the same text or image count each, although they are embedded once."""


def known_vectors(index: IndexData | None, *, fingerprint: str, text_fingerprint: str | None) -> KnownVectors:
    """What an index knows that was made by these encoders in the way of this version.

    Args:
        index: The older index, if any.
        fingerprint: Of the encoder of keys and references.
        text_fingerprint: Of the encoder of passages; None when passages get no vectors.
    """
    if index is None:
        return KnownVectors()
    manifest = index.manifest
    recipe = manifest.recipe
    same_texts = recipe.texts_version == TEXTS_VERSION
    same = manifest.encoder.fingerprint == fingerprint
    text_stamp = manifest.text_encoder
    keys: dict[KeySource, FloatArray] = {}
    passages: dict[str, FloatArray] = {}
    references: dict[ViewSource, FloatArray] = {}
    if same and same_texts:
        keys = {
            key_source(key): vector
            for key, vector in zip(index.keys, index.key_vectors, strict=True)
            if key.kind is KeyKind.LINE or recipe.key_templates == KEY_TEMPLATES
        }
    if same and recipe.views_version == VIEWS_VERSION:
        references = {
            view_source(reference): vector
            for reference, vector in zip(index.references, index.reference_vectors, strict=True)
        }
    same_passages = text_stamp is not None and text_stamp.fingerprint == text_fingerprint
    if same_passages and same_texts and index.passage_vectors is not None:
        passages = {
            passage.text: vector
            for passage, vector in zip(index.passages, index.passage_vectors, strict=True)
        }
    return KnownVectors(keys, passages, references)


def reuse_of(index: IndexData, older: IndexData | None) -> Reuse:
    """How many rows of `index` an older index spared, when it was given as `reuse`."""
    text = index.manifest.text_encoder
    known = known_vectors(
        older,
        fingerprint=index.manifest.encoder.fingerprint,
        text_fingerprint=text.fingerprint if text else None,
    )
    rows = len(index.keys) + len(index.references) + (len(index.passages) if text else 0)
    taken_over = (
        sum(key_source(key) in known.keys for key in index.keys)
        + sum(view_source(reference) in known.references for reference in index.references)
        + sum(passage.text in known.passages for passage in index.passages)
    )
    return Reuse(taken_over, rows - taken_over)


def key_source(key: Key) -> KeySource:
    """What a key's vector is known by."""
    return KeySource(key.kind, key.text)


def view_source(reference: Reference) -> ViewSource:
    """What a reference's vector is known by."""
    return ViewSource(reference.digest, reference.view)
