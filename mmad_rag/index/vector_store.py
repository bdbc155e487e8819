"""Hold the vectors of an index in a LlamaIndex vector store instead of FAISS."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from mmad_rag.errors import IndexMismatchError, InputError
from mmad_rag.index.data import IndexData
from mmad_rag.index.knowledge_index import KnowledgeIndex
from mmad_rag.index.search import Search
from mmad_rag.index.vector_store_search import (
    Kind,
    Load,
    StoreSearch,
    ask,
    described,
    image_parts,
    passage_part,
    store_errors,
)

if TYPE_CHECKING:
    from llama_index.core.vector_stores.types import BasePydanticVectorStore

    from mmad_rag.index.build.embed import Progress

_NODES_AT_ONCE = 256


@dataclass(frozen=True, kw_only=True)
class StoredIndex(KnowledgeIndex):
    """An index that searches in a vector store; `hold_in_store` makes one."""

    searches: Mapping[Kind, Search]
    """Kind of row -> its search; passages are absent when they are found by their words."""

    @cached_property
    def key_search(self) -> Search:
        """Search over `key_vectors`."""
        return self.searches[Kind.KEY]

    @cached_property
    def reference_search(self) -> Search:
        """Search over `reference_vectors`."""
        return self.searches[Kind.REFERENCE]

    @cached_property
    def passage_search(self) -> Search | None:
        """Search over `passage_vectors`; None when passages have none."""
        return self.searches.get(Kind.PASSAGE)


def hold_in_store(
    index: IndexData,
    store: BasePydanticVectorStore,
    *,
    passage_store: BasePydanticVectorStore | None = None,
    progress: Progress | None = None,
) -> StoredIndex:
    """Put the vectors of an index into a vector store once, and search there instead of in FAISS.

    A node's id is a UUID made of stamp, kind and row; its metadata are its `product`, `row` and `kind` and,
    under `index`, the stamp: a hash over all that the store holds. An empty store is filled; a store with
    this stamp is attached and nothing is added. A new calibration does not change an index's stamp; after
    adding to an index or removing from it, an empty store is needed.

    The index keeps its vectors too. The store proposes rows, and the scores are computed from these vectors
    (see `StoreSearch`), so that results equal those of FAISS however a store defines similarity.

    Args:
        index: The index whose vectors are held.
        store: An empty store, or one filled by an earlier call. It must keep the ids that it is given and
            honour metadata filters for equality, as most do (LlamaIndex's own FAISS store does neither).
        passage_store: A separate store for the passages, needed when their vectors have another length than
            those of keys and references, because most stores hold one length.
        progress: Called with (stage, steps done, total steps) while a store is filled.

    Raises:
        IndexMismatchError: a store failed, or holds something else or only a part of this index.
        InputError: passages need a store of their own, or have no vectors to put in one.

    Example:
        >>> held = hold_in_store(index, QdrantVectorStore("parts", client=client))       # doctest: +SKIP
        >>> ClipRetriever(held).retrieve("Is there a defect?", open_image("nut.png"))  # doctest: +SKIP
    """
    near, far = image_parts(index), passage_part(index)
    if passage_store is not None and far is None:
        raise InputError("the index has no vectors of passages; leave out passage_store")
    if passage_store is None and far is not None and far.dim != near[0].dim:
        raise InputError(
            f"the vectors of passages have {far.dim} numbers, those of keys and references {near[0].dim}; "
            "give passages a store of their own: hold_in_store(index, store, passage_store=...)"
        )
    if far is None:
        searches = _held(store, Load(near), progress)
    elif passage_store is None or passage_store is store:
        searches = _held(store, Load((*near, far)), progress)
    else:
        searches = _held(store, Load(near), progress) | _held(passage_store, Load((far,)), progress)
    return StoredIndex(**index.parts(), searches=searches)


def _held(store: BasePydanticVectorStore, load: Load, progress: Progress | None) -> dict[Kind, Search]:
    """The searches in a store that holds the load, which is filled first if it is empty."""
    sure = True
    try:
        stamped = _is_stamped(store, load)
    except IndexMismatchError:
        raise
    except Exception:
        # A store whose collection does not exist yet raises an error of its own kind, which cannot be told
        # from others. If the cause is another, filling the store or checking it afterwards fails as well.
        stamped, sure = False, False
    if not stamped:
        try:
            _fill(store, load, progress)
        except IndexMismatchError:
            if not sure:
                with suppress(Exception):  # many stores cannot delete, and the first error is the one to show
                    store.delete_nodes(node_ids=[*load.row_ids, load.stamp_id])
            raise
    return {
        part.kind: StoreSearch(store, part.kind, part.vectors, load.ids[part.kind]) for part in load.parts
    }


def _is_stamped(store: BasePydanticVectorStore, load: Load) -> bool:
    """Whether the store holds exactly this load; False when it is empty.

    Raises:
        IndexMismatchError: the store holds something else, or only a part of the load.
    """
    stamps = ask(store, load.stamp_vector, 2, Kind.STAMP)
    if stamps == [load.stamp_id]:
        return True
    if load.row_ids.intersection(stamps):
        what = "does not honour metadata filters; use a store that does"
    elif stamps:
        what = "holds another index; empty it, or use another collection"
    else:
        with store_errors(store, "holds vectors of something else"):
            others = ask(store, load.stamp_vector, 1, None)
        if not others:
            return False
        if load.row_ids.intersection(others):
            what = "holds a part of this index, because filling it was cut off; empty it and call again"
        else:
            what = "holds vectors of something else; use a collection of its own for the index"
    raise IndexMismatchError(f"{described(store)} {what}")


def _fill(store: BasePydanticVectorStore, load: Load, progress: Progress | None) -> None:
    """Add all nodes, then check that the store returns them."""
    done, total, nodes = 0, len(load.row_ids) + 1, load.nodes()
    while batch := list(islice(nodes, _NODES_AT_ONCE)):
        with store_errors(store, f"took in {done} of {total} nodes and then failed"):
            store.add(batch)
        done += len(batch)
        if progress:
            progress("filling the vector store", done, total)
    with store_errors(store, "was filled but could not be searched"):
        stamped = _is_stamped(store, load)
    if not stamped:
        raise IndexMismatchError(
            f"{described(store)} was filled but gives nothing back; if it takes vectors in with a delay, "
            "call again later, else use a store that keeps ids and metadata"
        )
