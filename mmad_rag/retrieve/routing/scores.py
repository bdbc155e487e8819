"""Compare images with every product's text keys and reference images."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mmad_rag.index.data import IndexData
from mmad_rag.index.search import Search
from mmad_rag.index.views import WHOLE
from mmad_rag.records import FloatArray

Scores = npt.NDArray[np.float64]
"""Images by products, shape (n, P); NaN where a product has nothing of the kind."""

_KEYS_POOLED = 3
_VIEWS_POOLED = 3
_SEARCH_AT_MOST = 4096


@dataclass(frozen=True, slots=True)
class ProductScores:
    """What a number of images have in common with each product of the catalogue."""

    text: Scores
    """Mean cosine to the product's three best keys, in [-1, 1]."""
    text_centred: Scores
    """The same after the mean reference image was taken from the image: without what all images of this
    camera have in common with a key. Any size; for comparing products within one image."""
    nearest: Scores
    """Cosine to the nearest reference, whatever its view, in [-1, 1]."""
    typical: Scores
    """Mean over the views of the cosine to the nearest reference in that view, in [-1, 1]."""
    ranked: Scores
    """Mean of the three best views: one view alone can be near by chance. In [-1, 1]."""


class CatalogueScores:
    """The tables that turn cosines to rows of an index into scores of its products.

    Args:
        index: Whose keys and references are compared with.
    """

    def __init__(self, index: IndexData) -> None:
        self.index = index
        self.products = index.products
        self._key_groups = _Groups([key.product for key in index.keys])
        views = sorted({reference.view for reference in index.references})
        self._views = len(views)
        self._view_groups = _Groups([(item.product, views.index(item.view)) for item in index.references])
        place = {product: number for number, product in enumerate(self.products)}
        self._key_place = [place[str(product)] for product in self._key_groups.names]
        self._view_place = [(place[product], view) for product, view in self._named_views()]

    def one(self, vector: FloatArray, own_digests: Collection[str] = ()) -> ProductScores:
        """Score one image through the index's searches.

        Args:
            vector: The image in the index's space, shape (d,), unit length.
            own_digests: References with these bytes are the query itself, which is not evidence.
        """
        exact = self.index.manifest.approximate_above
        keys = _row_of(self.index.key_search, vector, len(self.index.keys), exact)
        references = _row_of(self.index.reference_search, vector, len(self.index.references), exact)
        own = [row for digest in own_digests for row in self._rows_of_digest.get(digest, ())]
        references[own] = -np.inf
        return self.many(keys[None], references[None])

    def many(self, keys: npt.NDArray[np.float64], references: npt.NDArray[np.float64]) -> ProductScores:
        """Score images from their cosines to all rows.

        Args:
            keys: Cosines to the index's keys, shape (n, keys); -inf for a row that plays no part.
            references: Cosines to the index's references, shape (n, references); likewise.
        """
        shape = (len(references), len(self.products))
        text, centred = np.full(shape, np.nan), np.full(shape, np.nan)
        if self._key_place:
            text[:, self._key_place] = self._key_groups.best_mean(keys, _KEYS_POOLED)
            moved = keys - self._key_offsets[None]
            centred[:, self._key_place] = self._key_groups.best_mean(moved, _KEYS_POOLED)
        by_view = np.full((*shape, max(1, self._views)), -np.inf)
        if self._view_place:
            rows, views = np.array(self._view_place).T
            by_view[:, rows, views] = self._view_groups.best(references)
        return ProductScores(_absent(text), _absent(centred), *_pooled(by_view))

    @cached_property
    def _key_offsets(self) -> npt.NDArray[np.float64]:
        """Each key's cosine to the mean reference image, in which every product counts once.

        A product without references counts with nothing: among many such products the mean says little about
        what images have in common, and much about the few products that it is made of.
        """
        whole = [row for row, item in enumerate(self.index.references) if item.view == WHOLE]
        if not whole:
            return np.zeros(len(self.index.keys))
        owners = _Groups([self.index.references[row].product for row in whole])
        mean = owners.mean(self.index.reference_vectors[whole]).sum(axis=0) / len(self.products)
        return np.asarray(self.index.key_vectors @ mean, np.float64)

    @cached_property
    def _rows_of_digest(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, reference in enumerate(self.index.references):
            rows.setdefault(reference.digest, []).append(row)
        return rows

    def _named_views(self) -> Sequence[tuple[str, int]]:
        return [name for name in self._view_groups.names if isinstance(name, tuple)]


class _Groups:
    """Columns that belong together."""

    def __init__(self, owners: Sequence[Hashable]) -> None:
        first = {owner: number for number, owner in enumerate(dict.fromkeys(owners))}
        codes = np.array([first[owner] for owner in owners], np.int64)
        self.names: list[Hashable] = list(first)
        self._order = np.argsort(codes, kind="stable")
        self._starts = np.searchsorted(codes[self._order], np.arange(len(first)))

    def best(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The largest value of each group, by row: (n, columns) -> (n, groups)."""
        found: npt.NDArray[np.float64] = np.maximum.reduceat(values[:, self._order], self._starts, axis=1)
        return found

    def best_mean(self, values: npt.NDArray[np.float64], pooled: int) -> npt.NDArray[np.float64]:
        """The mean of the `pooled` largest values of each group, by row."""
        pieces = np.split(values[:, self._order], self._starts[1:], axis=1)
        return np.stack([np.sort(piece, axis=1)[:, -pooled:].mean(axis=1) for piece in pieces], axis=1)

    def mean(self, rows: FloatArray) -> FloatArray:
        """The mean row of each group: (n, d) -> (groups, d)."""
        pieces = np.split(rows[self._order], self._starts[1:])
        means: FloatArray = np.stack([piece.mean(axis=0) for piece in pieces])
        return means


def _row_of(search: Search, vector: FloatArray, rows: int, exact: int) -> npt.NDArray[np.float64]:
    """Cosines to all rows; of more than `exact` the nearest are found, others count as far as the last."""
    if not rows:
        return np.empty(0)
    found, scores = search.search(vector, rows if rows <= exact else _SEARCH_AT_MOST)
    row = np.full(rows, float(scores.min()))
    row[found] = scores
    return row


def _pooled(by_view: npt.NDArray[np.float64]) -> tuple[Scores, Scores, Scores]:
    """Nearest, typical and ranked from the best cosine per view: (n, P, views), -inf where there is none."""
    there = np.isfinite(by_view)
    count = there.sum(axis=2)
    nearest = by_view.max(axis=2)
    sums = np.where(there, by_view, 0.0).sum(axis=2)
    typical = np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)
    best = np.sort(by_view, axis=2)[:, :, -_VIEWS_POOLED:]
    enough = np.isfinite(best).sum(axis=2)
    top = np.where(np.isfinite(best), best, 0.0).sum(axis=2)
    ranked = np.divide(top, enough, out=np.full(top.shape, np.nan), where=enough > 0)
    return _absent(nearest), typical, ranked


def _absent(values: Scores) -> Scores:
    """Minus infinity, which no cosine is, as NaN."""
    return np.where(np.isfinite(values), values, np.nan)
