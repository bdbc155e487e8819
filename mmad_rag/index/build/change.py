"""Take products and references out of an index, or name them anew, without any encoder."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from mmad_rag.errors import InputError, KnowledgeError
from mmad_rag.index.build.assemble import stamped
from mmad_rag.index.data import IndexData
from mmad_rag.index.rows import reference_order
from mmad_rag.records import Passage

_PRODUCT = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_LONGEST_NAME = 64


def remove_products(index: IndexData, products: Collection[str]) -> IndexData:
    """Leave products out with all that belongs to them; see `KnowledgeIndex.remove`."""
    for product in products:
        refuse_unknown(index, product)
    gone = set(products)
    if gone == set(index.products):
        raise KnowledgeError(
            f"without {', '.join(sorted(gone))} the index would hold no product; delete its folder instead"
        )
    return _selected(
        index,
        {product: digest for product, digest in index.manifest.knowledge.items() if product not in gone},
        [row for row, passage in enumerate(index.passages) if passage.product not in gone],
        [row for row, key in enumerate(index.keys) if key.product not in gone],
        [row for row, reference in enumerate(index.references) if reference.product not in gone],
    )


def remove_references(index: IndexData, product: str, digests: Collection[str] | None = None) -> IndexData:
    """Leave reference images of a product out; see `KnowledgeIndex.remove_references`."""
    refuse_unknown(index, product)
    own = {reference.digest for reference in index.references if reference.product == product}
    gone = own if digests is None else set(digests)
    if unknown := gone - own:
        raise InputError(
            f"{product} has no reference image with the hash {min(unknown)}; "
            "`mmad-rag index show DIR --json` lists them"
        )
    return _selected(
        index,
        index.manifest.knowledge,
        range(len(index.passages)),
        range(len(index.keys)),
        [
            row
            for row, reference in enumerate(index.references)
            if reference.product != product or reference.digest not in gone
        ],
    )


def rename_product(index: IndexData, old: str, new: str) -> IndexData:
    """Give a product another name; see `KnowledgeIndex.rename`."""
    refuse_unknown(index, old)
    if new in index.products:
        raise InputError(f"the index holds a product {new} already; remove it first, or choose another name")
    if not _PRODUCT.fullmatch(new) or len(new) > _LONGEST_NAME:
        raise InputError(
            f"{new!r} is not a name of a product; give lower-case words joined by underscores, "
            f"at most {_LONGEST_NAME} characters"
        )

    def named(product: str) -> str:
        return new if product == old else product

    renamed = dataclasses.replace(
        index,
        passages=tuple(
            _renamed(passage, new) if passage.product == old else passage for passage in index.passages
        ),
        keys=tuple(dataclasses.replace(key, product=named(key.product)) for key in index.keys),
        references=tuple(
            dataclasses.replace(reference, product=named(reference.product)) for reference in index.references
        ),
    )
    return _selected(
        renamed,
        {named(product): digest for product, digest in index.manifest.knowledge.items()},
        _order(len(renamed.passages), lambda row: renamed.passages[row].product),
        _order(len(renamed.keys), lambda row: renamed.keys[row].product),
        _order(len(renamed.references), lambda row: reference_order(renamed.references[row])),
    )


def refuse_unknown(index: IndexData, product: str) -> None:
    """Raise InputError when the index holds no such product."""
    if product not in index.products:
        near = difflib.get_close_matches(product, index.products, n=3, cutoff=0.4) or index.products[:3]
        raise InputError(f"the index holds no product {product!r}; it holds {', '.join(near)}")


def _renamed(passage: Passage, product: str) -> Passage:
    _, _, rest = passage.id.partition("/")
    return dataclasses.replace(passage, id=f"{product}/{rest}", product=product)


def _order(count: int, key: Callable[[int], str] | Callable[[int], tuple[str, ...]]) -> list[int]:
    """Row numbers in their new order; rows with equal keys keep theirs."""
    return sorted(range(count), key=key)


def _selected(
    index: IndexData,
    knowledge: Mapping[str, str],
    passages: Sequence[int],
    keys: Sequence[int],
    references: Sequence[int],
) -> IndexData:
    """An index of these rows in this order, by the same encoders and recipe."""
    manifest, vectors = index.manifest, index.passage_vectors
    return stamped(
        manifest.encoder,
        manifest.text_encoder,
        manifest.recipe,
        knowledge,
        passages=tuple(index.passages[row] for row in passages),
        keys=tuple(index.keys[row] for row in keys),
        references=tuple(index.references[row] for row in references),
        passage_vectors=None if vectors is None else np.take(vectors, passages, axis=0),
        key_vectors=np.take(index.key_vectors, keys, axis=0),
        reference_vectors=np.take(index.reference_vectors, references, axis=0),
    )
