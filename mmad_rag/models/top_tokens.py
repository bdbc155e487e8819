"""The likeliest first tokens of a reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

_BROKEN = "\ufffd"


class FirstStep:
    """Keeps the logits at a reply's first position; hand it to `generate` as a logits processor.

    `generate` can return logits by itself, but of every position: a gigabyte for a batch of long replies.
    """

    def __init__(self) -> None:
        self._logits: torch.Tensor | None = None

    def __call__(self, _input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """Called at every position; changes nothing."""
        if self._logits is None:
            self._logits = scores.float().cpu()
        return scores

    @property
    def logits(self) -> torch.Tensor:
        """float32, shape (batch, vocabulary), on the CPU."""
        if self._logits is None:
            raise RuntimeError("generate() asked for no token")
        return self._logits


def top_tokens(logits: torch.Tensor, count: int, tokenizer: Any) -> Mapping[str, float]:  # noqa: ANN401
    """Text -> probability in [0, 1] of the `count` likeliest tokens, likeliest first.

    Tokens that read alike count together. One that is part of a character stands as the vocabulary has it.

    Args:
        logits: of one position, shape (vocabulary,).
        count: at least 1.
        tokenizer: of the checkpoint.
    """
    probabilities = logits.softmax(dim=-1).topk(min(count, logits.shape[-1]))
    found: dict[str, float] = {}
    for probability, token in zip(probabilities.values.tolist(), probabilities.indices.tolist(), strict=True):
        text = tokenizer.decode([token], clean_up_tokenization_spaces=False)
        if not text or _BROKEN in text:
            text = str(tokenizer.convert_ids_to_tokens(token))
        found[text] = min(1.0, found.get(text, 0.0) + probability)
    return dict(sorted(found.items(), key=lambda item: -item[1]))
