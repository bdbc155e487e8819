"""Find the contradictions within an index that was read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from mmad_rag.index.data import IndexData
from mmad_rag.index.rows import reference_order
from mmad_rag.records import FloatArray

_LENGTH_TOLERANCE = 1e-3


def problems_of(index: IndexData) -> Iterator[str]:
    """Every contradiction within an index, in its counts, order, ids, products, views or vectors."""
    yield from _wrong_counts(index)
    yield from _wrong_products(index)
    if list(index.passages) != sorted(index.passages, key=lambda passage: passage.product):
        yield "passages are not sorted by product"
    if list(index.keys) != sorted(index.keys, key=lambda key: key.product):
        yield "keys are not sorted by product"
    if list(index.references) != sorted(index.references, key=reference_order):
        yield "references are not sorted by product, entry, name, hash and view"
    for passage_id, count in Counter(passage.id for passage in index.passages).items():
        if count > 1:
            yield f"the passage id {passage_id} is used {count} times"
    for reference, count in Counter(
        (item.product, item.entry, item.digest, item.view) for item in index.references
    ).items():
        if count > 1:
            yield f"the reference {'/'.join(reference)} is there {count} times"
    views = set(index.manifest.recipe.views)
    for view in sorted({reference.view for reference in index.references} - views):
        yield f"references have the view {view}, which the manifest does not list"
    if not index.keys and not index.references:
        yield "there are neither keys nor references, so nothing can be routed to"
    for name, vectors in index.arrays().items():
        if wrong := not_unit(vectors):
            yield f"the vectors of {name}: {wrong}"


def not_unit(vectors: FloatArray) -> str | None:
    """A sentence on the first row that is not finite or not of unit length; None if there is none."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(vectors, axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) <= _LENGTH_TOLERANCE))
    if len(wrong) == 0:
        return None
    first = int(wrong[0])
    if not np.isfinite(vectors[first]).all():
        return f"row {first} holds values that are not finite ({len(wrong)} row(s) are wrong)"
    return f"row {first} has the length {lengths[first]:.4g}, not 1 ({len(wrong)} row(s) are wrong)"


def _wrong_counts(index: IndexData) -> Iterator[str]:
    counts = index.manifest.counts
    for name, counted, found in (
        ("products", counts.products, len(index.manifest.knowledge)),
        ("passages", counts.passages, len(index.passages)),
        ("keys", counts.keys, len(index.keys)),
        ("references", counts.references, len(index.references)),
    ):
        if counted != found:
            yield f"the manifest counts {counted} {name}, there are {found}"


def _wrong_products(index: IndexData) -> Iterator[str]:
    products = set(index.manifest.knowledge)
    for name, rows in (
        ("passages", [passage.product for passage in index.passages]),
        ("keys", [key.product for key in index.keys]),
        ("references", [reference.product for reference in index.references]),
    ):
        for product in _beyond(rows, products):
            yield f"there are {name} of {product}, which the manifest does not list"
    for product in _beyond(sorted(products), {passage.product for passage in index.passages}):
        yield f"there is no passage of {product}"


def _beyond(found: Sequence[str], known: set[str]) -> list[str]:
    return sorted(set(found) - known)
