"""Read a choice from the probabilities of a reply's first token.

A second reading beside that of the words (`parse`): what the model was about to say, before it said it. It is
to be had where the endpoint gives log-probabilities and the model replies with the letter at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

LEAST_SHARE = 0.5
"""Less than this on all letters together: the first token is not a choice, so none is read."""

_AROUND = " \t\n\r▁Ġ*_`'\"()[]{}<>.:,$"  # spaces as tokenizers write them, and what stands around a letter


def letter_probabilities(first_token: Mapping[str, float], letters: Iterable[str]) -> dict[str, float]:
    """Probability per letter, in the order of `letters`: the sum over tokens that are this letter set off.

    Small letters do not count: `a` opens a sentence.

    Args:
        first_token: Token -> probability in [0, 1].
        letters: Of the options, as they were shown.

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
    """The likeliest letter; None where two are alike or letters have less than `LEAST_SHARE` together."""
    if sum(probabilities.values()) < LEAST_SHARE:
        return None
    best = max(probabilities.values())
    letters = [letter for letter, probability in probabilities.items() if probability == best]
    return letters[0] if len(letters) == 1 else None
