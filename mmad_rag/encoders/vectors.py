"""Run a tower over many items in batches of unit vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from mmad_rag.errors import EncoderError
from mmad_rag.records import FloatArray

if TYPE_CHECKING:
    import torch

Item = TypeVar("Item")


def unit_vectors(
    items: Sequence[Item],
    embed: Callable[[Sequence[Item]], torch.Tensor],
    *,
    dim: int,
    batch_size: int,
) -> FloatArray:
    """Embed items batch by batch: float32 of shape (len(items), dim), rows of unit length.

    Args:
        items: images or texts.
        embed: one batch -> tensor of shape (len(batch), dim), any length of rows.
        dim: columns of the result, also when there are no items.
        batch_size: items per call of `embed`.

    Raises:
        EncoderError: a row is not finite or has no length.
    """
    import torch

    rows = np.empty((len(items), dim), dtype=np.float32)
    for start in range(0, len(items), batch_size):
        batch = items[start : start + batch_size]
        with torch.inference_mode():
            embedded = embed(batch).to(dtype=torch.float64, device="cpu").numpy()
        lengths = np.linalg.norm(embedded, axis=1, keepdims=True)
        if not np.all(np.isfinite(lengths)) or not np.all(lengths > 0):
            raise EncoderError(
                "the encoder gave a vector without a direction (zero or not a number); "
                "its weights are damaged: load another checkpoint"
            )
        rows[start : start + len(batch)] = embedded / lengths
    return rows
