"""Add products and references to an index, embedding only what is new."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import IndexMismatchError, InputError
from mmad_rag.index.build.assemble import assemble, stamped, vectors_of_references
from mmad_rag.index.build.change import refuse_unknown
from mmad_rag.index.build.contents import (
    Contents,
    entries_of,
    merged,
    read_contents,
    read_images,
    sorted_references,
)
from mmad_rag.index.build.embed import Progress
from mmad_rag.index.build.references import FoundReference
from mmad_rag.index.build.reuse import known_vectors
from mmad_rag.index.data import IndexData
from mmad_rag.index.manifest import EncoderStamp
from mmad_rag.index.named_encoder import chosen_by_index
from mmad_rag.knowledge import KnowledgeBase, load_knowledge
from mmad_rag.records import NORMAL_ENTRY


def add_knowledge(
    index: IndexData,
    knowledge: KnowledgeBase | Path | str,
    encoder: Encoder | str,
    *,
    text_encoder: Encoder | str | None = None,
    references: Path | None = None,
    references_per_product: int | None = None,
    defect_references: Path | None = None,
    progress: Progress | None = None,
) -> IndexData:
    """Add the products of a knowledge base, replacing existing ones; see `KnowledgeIndex.add`."""
    base = knowledge if isinstance(knowledge, KnowledgeBase) else load_knowledge(knowledge)
    loaded = _matching(index.manifest.encoder, encoder)
    text = _text_encoder(index, loaded, text_encoder)
    views = index.manifest.recipe.views
    old = Contents(
        knowledge=index.manifest.knowledge,
        passages=index.passages,
        keys=index.keys,
        references=index.references,
        paths={},
    )
    new = read_contents(
        base,
        with_keys=loaded.texts is not None,
        views=views,
        references=references,
        references_per_product=references_per_product,
        defect_references=defect_references,
    )
    known = known_vectors(
        index, fingerprint=loaded.fingerprint, text_fingerprint=text.fingerprint if text else None
    )
    contents = merged(old, new, entries_of(base))
    return assemble(contents, loaded, text, views=views, known=known, progress=progress)


def add_references(
    index: IndexData,
    product: str,
    paths: Sequence[Path],
    encoder: Encoder | str,
    *,
    entry: str = NORMAL_ENTRY,
    progress: Progress | None = None,
) -> IndexData:
    """Add images of a product of the index; see `KnowledgeIndex.add_references`."""
    refuse_unknown(index, product)
    entries = {index.passages[row].entry for row in index.rows_of_product[product]} | {NORMAL_ENTRY}
    if entry not in entries:
        raise InputError(
            f"{product} has no entry {entry!r} in the index; it has {', '.join(sorted(entries))}"
        )
    manifest = index.manifest
    loaded = _matching(manifest.encoder, encoder)
    found = [FoundReference(product, path, entry) for path in paths]
    images = read_images(found, manifest.recipe.views)
    references = sorted_references([*index.references, *images.references])
    known = known_vectors(index, fingerprint=loaded.fingerprint, text_fingerprint=None)
    vectors = vectors_of_references(references, images.paths, loaded, known=known, progress=progress)
    return stamped(
        manifest.encoder,
        manifest.text_encoder,
        manifest.recipe,
        manifest.knowledge,
        passages=index.passages,
        keys=index.keys,
        references=references,
        passage_vectors=index.passage_vectors,
        key_vectors=index.key_vectors,
        reference_vectors=vectors,
    )


def _text_encoder(index: IndexData, encoder: Encoder, text_encoder: Encoder | str | None) -> Encoder | None:
    """The encoder of passages: the given one, the one of keys if it is the same, or the manifest's."""
    stamp = index.manifest.text_encoder
    if stamp is None:
        if text_encoder is not None:
            raise IndexMismatchError(
                "the index has no vectors of passages, so a text encoder cannot add some; "
                "leave it out, or build the index again with it"
            )
        return None
    if text_encoder is None and encoder.fingerprint == stamp.fingerprint:
        return encoder
    if text_encoder is None:
        with chosen_by_index(stamp, option="text_encoder"):
            text_encoder = load_encoder(stamp.spec)
    return _matching(stamp, text_encoder)


def _matching(stamp: EncoderStamp, encoder: Encoder | str) -> Encoder:
    """The encoder, loaded if necessary, once its fingerprint is found to be that of the stamp."""
    loaded = load_encoder(encoder) if isinstance(encoder, str) else encoder
    if loaded.fingerprint != stamp.fingerprint:
        raise IndexMismatchError(
            f"the index was built by {stamp.spec}, whose weights or preprocessing are not those of "
            f"{loaded.spec}; use that one, or build the index again with {loaded.spec}"
        )
    return loaded
