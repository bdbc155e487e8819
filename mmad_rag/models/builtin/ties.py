"""Choose among options by a score, and say how likely each is where several tie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmad_rag.records import Choice


def best_choices(choices: Sequence[Choice], scores: Sequence[float]) -> tuple[Choice, ...]:
    """The choices of the highest score, in order; one or more.

    Args:
        choices: The options that were offered, at least one.
        scores: One score per option.
    """
    best = max(scores)
    return tuple(choice for choice, score in zip(choices, scores, strict=True) if score == best)


def even_odds(tied: Sequence[Choice]) -> Mapping[str, float]:
    """Letter -> 1/k for each of k tied choices."""
    return {choice.letter: 1.0 / len(tied) for choice in tied}
