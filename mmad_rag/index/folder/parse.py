"""Parse the files of an index folder into an index and a list of problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mmad_rag.index.data import IndexData
from mmad_rag.index.folder.check import problems_of
from mmad_rag.index.folder.files import (
    KEY_VECTORS,
    KEYS,
    PASSAGE_VECTORS,
    PASSAGES,
    REFERENCE_VECTORS,
    REFERENCES,
    keys_from,
    passages_from,
    references_from,
    vectors_from,
)
from mmad_rag.index.manifest import Manifest

_Part = TypeVar("_Part")


@dataclass(frozen=True, slots=True)
class Parsed:
    """The result of parsing the files."""

    index: IndexData | None
    """The index; None when a file differs from the form that this version writes."""
    problems: tuple[str, ...]
    """One sentence per problem; empty when the index is intact."""


def parse_index(contents: Mapping[str, bytes], manifest: Manifest) -> Parsed:
    """Parse files whose bytes have the manifest's hashes; only forged files have problems nevertheless.

    Args:
        contents: Bytes of every file that the manifest names.
        manifest: The manifest of the same index.
    """
    problems: list[str] = []

    def part(name: str, parse: Callable[[bytes], _Part]) -> _Part | None:
        try:
            return parse(contents[name])
        except (ValueError, TypeError) as error:
            problems.append(f"{name} is not as this version writes it ({error})")
            return None

    dim, text = manifest.encoder.dim, manifest.text_encoder
    passages = part(PASSAGES, passages_from)
    keys = part(KEYS, keys_from)
    references = part(REFERENCES, references_from)
    if passages is None or keys is None or references is None:
        return Parsed(None, tuple(problems))
    key_vectors = part(KEY_VECTORS, lambda data: vectors_from(data, len(keys), dim))
    reference_vectors = part(REFERENCE_VECTORS, lambda data: vectors_from(data, len(references), dim))
    passage_vectors = None
    if text is not None:
        passage_vectors = part(PASSAGE_VECTORS, lambda data: vectors_from(data, len(passages), text.dim))
    if problems or key_vectors is None or reference_vectors is None:
        return Parsed(None, tuple(problems))
    index = IndexData(manifest, passages, keys, references, passage_vectors, key_vectors, reference_vectors)
    return Parsed(index, tuple(problems_of(index)))
