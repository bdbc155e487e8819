"""Assemble an index from its contents, embedding only what has no known vector."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, ImageError, IndexMismatchError, KnowledgeError
from mmad_rag.images import open_image
from mmad_rag.index.build.contents import Contents
from mmad_rag.index.build.embed import (
    KEY_TEMPLATES,
    LINE_TEMPLATES,
    TEXTS_VERSION,
    Progress,
    embed_images,
    embed_keys,
    embed_texts,
)
from mmad_rag.index.build.reuse import KeySource, KnownVectors, ViewSource, key_source, view_source
from mmad_rag.index.data import IndexData, named_arrays
from mmad_rag.index.folder.check import not_unit
from mmad_rag.index.folder.files import file_contents
from mmad_rag.index.manifest import FORMAT, Counts, EncoderStamp, FileStamp, Manifest, Recipe
from mmad_rag.index.rows import Key, KeyKind, Reference
from mmad_rag.index.search import APPROXIMATE_ABOVE
from mmad_rag.index.views import VIEWS_VERSION, view_of
from mmad_rag.records import EncodedImage, FloatArray, Passage
from mmad_rag.version import __version__

_Source = TypeVar("_Source", bound=Hashable)


def assemble(
    contents: Contents,
    encoder: Encoder,
    text: Encoder | None,
    *,
    views: tuple[str, ...],
    known: KnownVectors,
    progress: Progress | None = None,
) -> IndexData:
    """Embed the sources without a known vector and join all vectors; equal sources are embedded once.

    Raises:
        KnowledgeError: nothing could be routed to.
        EncoderError: there are references and no image tower; a key is too long; a vector has no direction.
        IndexMismatchError: an image must be embedded of which only the hash is known.
        ImageError: an image cannot be read.
    """
    stamp, text_stamp = _stamp(encoder), _stamp(text) if text else None
    recipe = Recipe(
        key_templates=KEY_TEMPLATES, texts_version=TEXTS_VERSION, views=views, views_version=VIEWS_VERSION
    )
    refuse_unroutable(contents.keys, contents.references, stamp)
    key_vectors = _filled(
        [key_source(key) for key in contents.keys],
        known.keys,
        lambda missing: _embed_keys(missing, encoder),
        encoder.dim,
    )
    reference_vectors = vectors_of_references(
        contents.references, contents.paths, encoder, known=known, progress=progress
    )
    passage_vectors = None
    if text is not None:
        passage_vectors = _filled(
            [passage.text for passage in contents.passages],
            known.passages,
            lambda missing: embed_texts(missing, text, progress),
            text.dim,
        )
        _refuse_without_direction(passage_vectors, text)
    _refuse_without_direction(key_vectors, encoder)
    return stamped(
        stamp,
        text_stamp,
        recipe,
        contents.knowledge,
        passages=contents.passages,
        keys=contents.keys,
        references=contents.references,
        passage_vectors=passage_vectors,
        key_vectors=key_vectors,
        reference_vectors=reference_vectors,
    )


def vectors_of_references(
    references: Sequence[Reference],
    paths: Mapping[str, Path],
    encoder: Encoder,
    *,
    known: KnownVectors,
    progress: Progress | None = None,
) -> FloatArray:
    """One vector per reference, shape (n, d); references without a known vector are embedded.

    Raises:
        EncoderError: there are references and no image tower, or a vector has no direction.
        IndexMismatchError: an image must be embedded of which only the hash is known.
        ImageError: an image cannot be read.
    """
    if not references:
        return np.empty((0, encoder.dim), np.float32)
    tower = encoder.images
    if tower is None:
        raise EncoderError(f"the encoder {encoder.spec} has no image tower; choose one that sees images")
    vectors = _filled(
        [view_source(reference) for reference in references],
        known.references,
        lambda missing: embed_images(_views(missing, paths), len(missing), tower, encoder.dim, progress),
        encoder.dim,
    )
    _refuse_without_direction(vectors, encoder)
    return vectors


def stamped(
    encoder: EncoderStamp,
    text_encoder: EncoderStamp | None,
    recipe: Recipe,
    knowledge: Mapping[str, str],
    *,
    passages: tuple[Passage, ...],
    keys: tuple[Key, ...],
    references: tuple[Reference, ...],
    passage_vectors: FloatArray | None,
    key_vectors: FloatArray,
    reference_vectors: FloatArray,
) -> IndexData:
    """An index of the given parts, with a manifest that holds their hashes."""
    refuse_unroutable(keys, references, encoder)
    arrays = named_arrays(passage_vectors, key_vectors, reference_vectors)
    files = file_contents(passages, keys, references, arrays)
    manifest = Manifest(
        format=FORMAT,
        library=__version__,
        encoder=encoder,
        text_encoder=text_encoder,
        recipe=recipe,
        knowledge=dict(sorted(knowledge.items())),
        counts=Counts(
            products=len(knowledge), passages=len(passages), keys=len(keys), references=len(references)
        ),
        approximate_above=APPROXIMATE_ABOVE,
        files={
            name: FileStamp(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in sorted(files.items())
        },
    )
    return IndexData(manifest, passages, keys, references, passage_vectors, key_vectors, reference_vectors)


def refuse_unroutable(keys: Sequence[Key], references: Sequence[Reference], encoder: EncoderStamp) -> None:
    """Raise KnowledgeError when no image could be routed to any product."""
    if not keys and not references:
        raise KnowledgeError(
            f"the encoder {encoder.spec} sees images only and there are no reference images: "
            "no image could be routed; give --references DIR, or an encoder with a text tower"
        )


def _refuse_without_direction(vectors: FloatArray, encoder: Encoder) -> None:
    if wrong := not_unit(vectors):
        raise EncoderError(
            f"the encoder {encoder.spec} gave vectors that cannot be compared ({wrong}); load another one"
        )


def _filled(
    sources: Sequence[_Source],
    known: Mapping[_Source, FloatArray],
    embed: Callable[[Sequence[_Source]], FloatArray],
    dim: int,
) -> FloatArray:
    """One row per source, shape (n, d); `embed` receives each source without a known vector once."""
    missing = [source for source in dict.fromkeys(sources) if source not in known]
    fresh = dict(zip(missing, embed(missing), strict=True)) if missing else {}
    vectors = np.empty((len(sources), dim), np.float32)
    for row, source in enumerate(sources):
        vectors[row] = fresh[source] if source in fresh else known[source]
    return vectors


def _embed_keys(sources: Sequence[KeySource], encoder: Encoder) -> FloatArray:
    vectors = np.empty((len(sources), encoder.dim), np.float32)
    for kind, templates in ((KeyKind.NAME, KEY_TEMPLATES), (KeyKind.LINE, LINE_TEMPLATES)):
        rows = [row for row, source in enumerate(sources) if source.kind is kind]
        if rows:
            vectors[rows] = embed_keys([sources[row].text for row in rows], templates, encoder)
    return vectors


def _views(sources: Sequence[ViewSource], paths: Mapping[str, Path]) -> Iterator[EncodedImage]:
    """The images that the encoder receives; each file is opened once for all its views."""
    lost = {source.digest for source in sources if source.digest not in paths}
    if lost:
        raise IndexMismatchError(
            f"{len(lost)} reference image(s) must be embedded again, of which the index holds only hashes; "
            "build it again with --references"
        )
    for digest, views in groupby(sources, key=lambda source: source.digest):
        image = open_image(paths[digest])
        if image.digest != digest:
            raise ImageError(
                f"the reference image {paths[digest]} was changed while it was embedded; build again"
            )
        for source in views:
            yield view_of(image, source.view)


def _stamp(encoder: Encoder) -> EncoderStamp:
    return EncoderStamp(spec=encoder.spec, fingerprint=encoder.fingerprint, dim=encoder.dim)
