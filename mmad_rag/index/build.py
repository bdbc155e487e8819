"""Build an index from a knowledge base with an encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmad_rag.encoders import load_encoder
from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import EncoderError, KnowledgeError
from mmad_rag.images import open_picture
from mmad_rag.index.embed import KEY_TEMPLATES, Progress, embed_keys, embed_pictures, embed_texts
from mmad_rag.index.folder import file_contents
from mmad_rag.index.knowledge_index import Key, KnowledgeIndex, Reference
from mmad_rag.index.manifest import Counts, EncoderStamp, Manifest, ReferenceFloor
from mmad_rag.index.references import FoundReference, find_references
from mmad_rag.index.search import APPROXIMATE_ABOVE
from mmad_rag.knowledge import KnowledgeBase, load_knowledge, passages_of, visual_keys
from mmad_rag.records import FloatArray, Passage
from mmad_rag.version import __version__

_MIN_PAIRS = 5


def build_index(
    knowledge: KnowledgeBase | Path | str,
    encoder: Encoder | str,
    *,
    text_encoder: Encoder | str | None = None,
    references: Path | None = None,
    references_per_product: int | None = None,
    progress: Progress | None = None,
) -> KnowledgeIndex:
    """Embed every visual key, passage and reference picture of a knowledge base.

    Args:
        knowledge: A loaded base, or the folder of product files.
        encoder: Embeds keys and reference pictures; a spec or a loaded encoder.
        text_encoder: Embeds passages; by default the encoder's own text tower. Without one, passages are
            found by their words alone.
        references: A folder of normal pictures (see `find_references`), beside those that product files name.
        references_per_product: Keep at most this many of that folder per product; None keeps all.
        progress: Called with (stage, done, total).

    Raises:
        KnowledgeError: the knowledge is wrong, or nothing in it can be routed to.
        EncoderError: a key is longer than the encoder's context.
        InputError: the reference folder is absent or holds no known product.
        PictureError: a reference picture cannot be read.
    """
    base = knowledge if isinstance(knowledge, KnowledgeBase) else load_knowledge(knowledge)
    loaded = load_encoder(encoder) if isinstance(encoder, str) else encoder
    text = load_encoder(text_encoder) if isinstance(text_encoder, str) else text_encoder
    if text is None and loaded.texts is not None:
        text = loaded

    passages = tuple(passage for product in base.products for passage in passages_of(product))
    keys, key_vectors = _keys(base, loaded)
    found = _reference_paths(base, references, references_per_product)
    reference_records, reference_vectors = _references(found, loaded, progress)
    if not keys and not reference_records:
        raise KnowledgeError(
            f"the encoder {loaded.spec} sees pictures only and there are no reference pictures: "
            "no picture could be routed; give --references DIR, or an encoder with a text tower"
        )
    passage_vectors = (
        None if text is None else embed_texts([passage.text for passage in passages], text, progress)
    )
    return _assemble(
        base,
        loaded,
        text,
        passages=passages,
        keys=keys,
        key_vectors=key_vectors,
        references=reference_records,
        reference_vectors=reference_vectors,
        passage_vectors=passage_vectors,
    )


def _assemble(
    base: KnowledgeBase,
    encoder: Encoder,
    text: Encoder | None,
    *,
    passages: tuple[Passage, ...],
    keys: tuple[Key, ...],
    key_vectors: FloatArray,
    references: tuple[Reference, ...],
    reference_vectors: FloatArray,
    passage_vectors: FloatArray | None,
) -> KnowledgeIndex:
    """Stamp the parts with a manifest that holds their hashes."""
    arrays = {"keys": key_vectors, "references": reference_vectors}
    if passage_vectors is not None:
        arrays["passages"] = passage_vectors
    contents = file_contents(passages, keys, references, arrays)
    manifest = Manifest(
        format=1,
        library=__version__,
        encoder=_stamp(encoder),
        text_encoder=None if text is None else _stamp(text),
        knowledge={file.product.product: file.digest for file in base.files},
        counts=Counts(
            products=len(base.files), passages=len(passages), keys=len(keys), references=len(references)
        ),
        reference_floor=reference_floor(reference_vectors, [reference.product for reference in references]),
        approximate_above=APPROXIMATE_ABOVE,
        files={name: hashlib.sha256(data).hexdigest() for name, data in sorted(contents.items())},
    )
    return KnowledgeIndex(
        manifest, passages, keys, references, passage_vectors, key_vectors, reference_vectors
    )


def reference_floor(vectors: FloatArray, products: Sequence[str]) -> ReferenceFloor:
    """How alike references of one product, and of different products, are; see `ReferenceFloor`."""
    owner = np.asarray(products)
    similarity = vectors @ vectors.T if len(vectors) else np.empty((0, 0), np.float32)
    same = owner[:, None] == owner[None, :] if len(vectors) else np.empty((0, 0), bool)
    other = np.where(same, -np.inf, similarity).max(axis=1, initial=-np.inf)
    siblings = np.where(same & ~np.eye(len(vectors), dtype=bool), similarity, -np.inf).max(
        axis=1, initial=-np.inf
    )
    return ReferenceFloor(same=_percentile(siblings, 5), other=_percentile(other, 95))


def _percentile(values: FloatArray, percent: float) -> float | None:
    """The percentile of the finite values; None when there are too few to speak of one."""
    finite = values[np.isfinite(values)]
    return round(float(np.percentile(finite, percent)), 6) if len(finite) >= _MIN_PAIRS else None


def _keys(base: KnowledgeBase, encoder: Encoder) -> tuple[tuple[Key, ...], FloatArray]:
    """Names and aliases through the prompt ensemble, one-line descriptions as they are."""
    if encoder.texts is None:
        return (), np.empty((0, encoder.dim), np.float32)
    names = [Key(product.product, key) for product in base.products for key in visual_keys(product)]
    lines = [Key(product.product, line) for product in base.products for line in product.visual.descriptions]
    vectors = [embed_keys([key.text for key in names], KEY_TEMPLATES, encoder)]
    if lines:
        vectors.append(embed_keys([key.text for key in lines], ("{}",), encoder))
    return (*names, *lines), np.concatenate(vectors)


def _reference_paths(
    base: KnowledgeBase, folder: Path | None, per_product: int | None
) -> tuple[FoundReference, ...]:
    own = tuple(
        FoundReference(file.product.product, path) for file in base.files for path in file.reference_paths()
    )
    if folder is None:
        return own
    products = {product.product for product in base.products}
    return own + find_references(folder, products, per_product=per_product).references


def _references(
    found: Sequence[FoundReference], encoder: Encoder, progress: Progress | None
) -> tuple[tuple[Reference, ...], FloatArray]:
    """Embed the reference pictures; the same bytes twice for one product count once."""
    if not found:
        return (), np.empty((0, encoder.dim), np.float32)
    if encoder.images is None:
        raise EncoderError(f"the encoder {encoder.spec} has no image tower; choose one that sees pictures")
    records: dict[Reference, Path] = {}
    for item in found:
        digest = hashlib.sha256(item.path.read_bytes()).hexdigest()
        known = any(record.digest == digest and record.product == item.product for record in records)
        if not known:
            records[Reference(item.product, item.path.name, digest)] = item.path
    pictures = (open_picture(path) for path in records.values())
    vectors = embed_pictures(pictures, len(records), encoder.images, encoder.dim, progress)
    return tuple(records), vectors


def _stamp(encoder: Encoder) -> EncoderStamp:
    return EncoderStamp(spec=encoder.spec, fingerprint=encoder.fingerprint, dim=encoder.dim)
