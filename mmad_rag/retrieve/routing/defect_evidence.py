"""Evidence of an image for a product's defects: which of them it looks like."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mmad_rag.index.data import IndexData
from mmad_rag.records import NORMAL_ENTRY, FloatArray


class DefectEvidence:
    """Compares query images with an index's images of defects.

    Args:
        index: The index that holds the images of defects; without any, there is never evidence.
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

        The value is the cosine to the nearest image of the defect. The cosines of all defects and of the
        normal state are scaled together: the largest becomes 1, the smallest 0. So an image that is nearest
        to the normal references is weaker evidence for any defect, and an image that is farthest from them
        is evidence for all defects, most of all for the nearest one.

        Args:
            product: The product whose defects are compared.
            vector: The image in the index's space, shape (d,), unit length.
            own_digests: SHA-256 (hex) of the image's bytes: references with these bytes are the query image
                itself, which is not evidence.

        Returns:
            Defect id -> value in [0, 1]; empty when the product has no image of a defect, or no two entries
            to compare.
        """
        cosines: dict[str, float] = {}
        for entry, rows in self._rows.get(product, {}).items():
            others = [row for row in rows if self._index.references[row].digest not in own_digests]
            if others:
                cosines[entry] = float((self._index.reference_vectors[others] @ vector).max())
        return _relative(cosines)


def _relative(nearness: Mapping[str, float]) -> dict[str, float]:
    """The values of the defects, scaled to [0, 1] over all entries."""
    defects = nearness.keys() - {NORMAL_ENTRY}
    if not defects:
        return {}
    low, high = min(nearness.values()), max(nearness.values())
    if not high - low > 1e-6:
        return {}
    return {entry: round((nearness[entry] - low) / (high - low), 6) for entry in sorted(defects)}
