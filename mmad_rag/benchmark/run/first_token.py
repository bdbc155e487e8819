"""Read a choice from the probabilities of a reply's first token.

This is a second reading beside that of the reply's words (`parse`). It exists where the endpoint gives
log-probabilities and the model begins its reply with the letter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LEAST_SHARE = 0.5
"""Least probability of all letters together: if they have less, the first token is not a choice."""

_AROUND = " \t\n\r▁Ġ*_`'\"()[]{}<>.:,$"  # spaces as tokenizers write them, and punctuation around a letter


def letter_probabilities(first_token: Mapping[str, float], letters: Iterable[str]) -> dict[str, float]:
    """Probability per letter, in the order of `letters`: the sum over all tokens that write this letter.

    Small letters do not count: `a` opens a sentence.

    Args:
        first_token: Token -> probability in [0, 1].
        letters: Letters of the options, as they were shown.

    Example:
        >>> letter_probabilities({"B": 0.5, " B": 0.25, "(A": 0.125, "The": 0.125}, "AB")
        {'A': 0.125, 'B': 0.75}
    """
    found = dict.fromkeys(letters, 0.0)
    for token, probability in first_token.items():
        letter = token.strip(_AROUND)
        if letter in found:
            found[letter] = min(1.0, found[letter] + probability)
    return found


def likeliest(probabilities: Mapping[str, float]) -> str | None:
    """The likeliest letter; None if two are equally likely or all letters have less than `LEAST_SHARE`
    together."""
    if sum(probabilities.values()) < LEAST_SHARE:
        return None
    best = max(probabilities.values())
    letters = [letter for letter, probability in probabilities.items() if probability == best]
    return letters[0] if len(letters) == 1 else None
