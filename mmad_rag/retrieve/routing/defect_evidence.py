"""What an image says of a product's defects before anybody is asked: which of them it looks like."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mmad_rag.index.data import IndexData
from mmad_rag.records import NORMAL_ENTRY, FloatArray


class DefectEvidence:
    """Compares images with the images of defects that an index has.

    Args:
        index: Holds the images. Without any of a defect, nothing is ever said.
    """

    def __init__(self, index: IndexData) -> None:
        self._index = index
        self._rows: dict[str, dict[str, list[int]]] = {}
        for row, reference in enumerate(index.references):
            self._rows.setdefault(reference.product, {}).setdefault(reference.entry, []).append(row)
        self._rows = {product: rows for product, rows in self._rows.items() if rows.keys() - {NORMAL_ENTRY}}

    def __bool__(self) -> bool:
        return bool(self._rows)

    def of(self, product: str, vector: FloatArray, own_digests: Collection[str] = ()) -> dict[str, float]:
        """How much an image looks like each defect of a product.

        The cosine to the nearest image of each defect and of the normal state, all scaled together: the
        nearest of all is 1, the farthest 0. So an image that is nearest to the normal references speaks less
        for any defect, and one that is farthest from them speaks for all, for the nearest most.

        Args:
            product: Whose defects.
            vector: The image in the index's space, shape (d,), unit length.
            own_digests: References with these bytes are the query itself, which is not evidence.

        Returns:
            Defect id -> value in [0, 1]; empty when there is no image of a defect, or nothing to compare
            with.
        """
        cosines: dict[str, float] = {}
        for entry, rows in self._rows.get(product, {}).items():
            others = [row for row in rows if self._index.references[row].digest not in own_digests]
            if others:
                cosines[entry] = float((self._index.reference_vectors[others] @ vector).max())
        return _relative(cosines)


def _relative(nearness: Mapping[str, float]) -> dict[str, float]:
    """Scaled to [0, 1] over all entries; of the defects only."""
    defects = nearness.keys() - {NORMAL_ENTRY}
    if not defects:
        return {}
    low, high = min(nearness.values()), max(nearness.values())
    if not high - low > 1e-6:
        return {}
    return {entry: round((nearness[entry] - low) / (high - low), 6) for entry in sorted(defects)}
