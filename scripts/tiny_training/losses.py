"""The training objective: contrastive losses with several positives.

Images and texts of one product in a batch belong together, so ordinary CLIP's "everything off the
diagonal is wrong" does not hold. Each row's loss is the mean, over its positives, of the softmax loss of that
positive against the row's negatives (after Khosla et al. 2020, Supervised Contrastive Learning, equation 2,
without the other positives in the denominator); pairs that are neither are left out.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def contrast(scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Mean over rows that have a positive and a negative; all of shape (n, m), masks of booleans."""
    rows = positive.any(dim=1) & negative.any(dim=1)
    if not bool(rows.any()):
        return scores.sum() * 0
    scores, positive, negative = scores[rows], positive[rows], negative[rows]
    against = torch.logsumexp(scores.masked_fill(~negative, -1e4), dim=1, keepdim=True)
    each = functional.softplus(against - scores)
    return ((each * positive).sum(dim=1) / positive.sum(dim=1)).mean()


def both_ways(scores: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Rows against columns, and columns against rows."""
    return (contrast(scores, positive, negative) + contrast(scores.T, positive.T, negative.T)) / 2


def image_text_loss(
    scores: torch.Tensor,
    same_product: torch.Tensor,
    same_label: torch.Tensor,
    text_has_label: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss between products, and the loss between labels of one product.

    Args:
        scores: images by texts.
        same_product: images by texts.
        same_label: images by texts; meaningful where the text has a label.
        text_has_label: by texts; the others fit every image of their product.
    """
    fits = same_product & (same_label | ~text_has_label[None, :])
    labelled = same_product & text_has_label[None, :]
    between_products = both_ways(scores, fits, ~same_product)
    between_labels = both_ways(scores, labelled & same_label, labelled & ~same_label)
    return between_products, between_labels


def group_loss(vectors: torch.Tensor, groups: torch.Tensor, temperature: float) -> torch.Tensor:
    """Vectors of one group (a product, the two views of a distractor, a defect) against all others."""
    same = groups[:, None] == groups[None, :]
    itself = torch.eye(len(groups), dtype=torch.bool)
    return contrast(vectors @ vectors.T / temperature, same & ~itself, ~same)
