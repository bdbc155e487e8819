"""List all that is wrong with an index folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mmad_rag.encoders.protocol import Encoder
from mmad_rag.errors import IndexMismatchError, KnowledgeError
from mmad_rag.index.build.contents import keys_of
from mmad_rag.index.data import IndexData
from mmad_rag.index.folder.parse import parse_index
from mmad_rag.index.folder.read import manifest_identity, read_file, read_manifest
from mmad_rag.index.manifest import EncoderStamp
from mmad_rag.knowledge import load_knowledge, passages_of
from mmad_rag.knowledge.base import ProductFile

_TRIES = 10


def verify_index(
    folder: Path,
    *,
    knowledge: Path | None = None,
    encoder: Encoder | None = None,
    text_encoder: Encoder | None = None,
) -> tuple[str, ...]:
    """Check an index folder to the last byte, without stopping at the first finding.

    Manifest, names and hashes of files; counts, order, ids, products; shape and length of vectors.

    Args:
        folder: The index.
        knowledge: Also compare the index with the product files of this folder.
        encoder: Also compare the fingerprint and length of vectors of this encoder.
        text_encoder: Likewise for passages.

    Returns:
        One line per finding; empty when the index is whole and true to what it was compared with.
    """
    findings: tuple[str, ...] = ()
    for _ in range(_TRIES):  # a writer may replace the index under our eyes
        before = manifest_identity(folder)
        findings = tuple(_findings(folder, knowledge, encoder, text_encoder))
        if not findings or manifest_identity(folder) == before:
            break
    return findings


def _findings(
    folder: Path, knowledge: Path | None, encoder: Encoder | None, text_encoder: Encoder | None
) -> Iterator[str]:
    try:
        manifest = read_manifest(folder).manifest
    except IndexMismatchError as error:
        yield str(error)
        return
    if encoder is not None:
        yield from _against_encoder(manifest.encoder, encoder)
    if text_encoder is not None and manifest.text_encoder is None:
        yield f"passages have no vectors, so {text_encoder.spec} did not make them"
    elif text_encoder is not None and manifest.text_encoder is not None:
        yield from _against_encoder(manifest.text_encoder, text_encoder)
    contents: dict[str, bytes] = {}
    for name, stamp in manifest.files.items():
        try:
            contents[name] = read_file(folder, name, stamp)
        except IndexMismatchError as error:
            yield str(error)
    if len(contents) < len(manifest.files):
        return
    parsed = parse_index(contents, manifest)
    yield from parsed.problems
    if knowledge is not None and parsed.index is not None:
        yield from _against_knowledge(parsed.index, knowledge, folder)


def _against_encoder(stamp: EncoderStamp, encoder: Encoder) -> Iterator[str]:
    if encoder.fingerprint != stamp.fingerprint:
        yield (
            f"the vectors were made by {stamp.spec}, whose weights or preprocessing are not those of "
            f"{encoder.spec} ({stamp.fingerprint[:12]} and {encoder.fingerprint[:12]})"
        )
    if encoder.dim != stamp.dim:
        yield f"vectors have {stamp.dim} numbers, those of {encoder.spec} have {encoder.dim}"


def _against_knowledge(index: IndexData, knowledge: Path, folder: Path) -> Iterator[str]:
    """What changed in the product files since; a file that only says the same otherwise is not a finding."""
    try:
        base = load_knowledge(knowledge)
    except KnowledgeError as error:
        yield str(error)
        return
    files = {file.product.product: file for file in base.files}
    for product in sorted(set(index.products) - set(files)):
        yield (
            f"{product} has no file in {knowledge}; run `mmad-rag index remove {folder} {product}`, "
            "or `mmad-rag index rename` if its file has another name now"
        )
    rebuild = f"run `mmad-rag build-index {knowledge} --out {folder}`"
    for product in sorted(set(files) - set(index.products)):
        yield f"{files[product].path} is not in the index; {rebuild}"
    for product in sorted(set(files) & set(index.products)):
        changed = list(_changes(index, files[product]))
        if changed:
            yield f"{files[product].path} changed since the index was built ({', '.join(changed)}); {rebuild}"


def _changes(index: IndexData, file: ProductFile) -> Iterator[str]:
    """What of a product file the index holds otherwise."""
    product = file.product
    held = Counter(index.passages[row] for row in index.rows_of_product[product.product])
    wanted = Counter(passages_of(product))
    keys_held = Counter(key for key in index.keys if key.product == product.product)
    keys_wanted = Counter(keys_of(product)) if index.keys else Counter()
    own = {item.digest for item in index.references if item.product == product.product}
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in file.reference_paths()]
    for count, what in (
        ((wanted - held).total(), "passage(s) new"),
        ((held - wanted).total(), "passage(s) gone"),
        ((keys_wanted - keys_held).total(), "key(s) new"),
        ((keys_held - keys_wanted).total(), "key(s) gone"),
        (sum(digest not in own for digest in digests), "reference image(s) new"),
    ):
        if count:
            yield f"{count} {what}"
