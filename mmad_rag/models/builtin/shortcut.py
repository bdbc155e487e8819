"""Controls that use the options of a question only."""

from __future__ import annotations

from enum import StrEnum

from mmad_rag.models.builtin.ties import best_choices, even_odds
from mmad_rag.records import Choice, Prompt, Reply


class Shortcut(StrEnum):
    """The option that a control always chooses."""

    LONGEST = "longest"
    """The option with most characters; the first one if several are equal, see `Reply.odds`."""
    SHORTEST = "shortest"
    """The option with fewest characters; the first one if several are equal, see `Reply.odds`."""
    FIRST = "first"
    """The option that is shown first."""


class ShortcutModel:
    """Chooses by a rule that ignores image, question and knowledge, to show what the options give away.

    It replies with a letter, or with an empty text if the prompt has no choices.
    """

    def __init__(self, shortcut: Shortcut) -> None:
        self._shortcut = shortcut

    @property
    def identity(self) -> str:
        """`builtin:` with the rule's name."""
        return f"builtin:{self._shortcut.value}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Reply with the letter that the rule picks; raises nothing."""
        if not prompt.choices:
            return Reply(text="", model=self.identity)
        tied = best_choices(prompt.choices, self._scores(prompt.choices))
        return Reply(text=tied[0].letter, model=self.identity, odds=even_odds(tied))

    def _scores(self, choices: tuple[Choice, ...]) -> list[int]:
        if self._shortcut is Shortcut.FIRST:
            return [-place for place in range(len(choices))]
        sign = 1 if self._shortcut is Shortcut.LONGEST else -1
        return [sign * len(choice.text) for choice in choices]
