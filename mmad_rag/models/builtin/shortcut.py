"""Controls that look at the options only."""

from __future__ import annotations

from enum import StrEnum

from mmad_rag.records import Choice, Prompt, Reply


class Shortcut(StrEnum):
    """Which option a control always chooses."""

    LONGEST = "longest"
    """Most characters; the first of equals."""
    SHORTEST = "shortest"
    """Fewest characters; the first of equals."""
    FIRST = "first"
    """The one that is shown first."""


class ShortcutModel:
    """Chooses by a rule that no image, question or knowledge can change: what a benchmark gives away.

    It replies with a letter, or with nothing where the prompt has no choices.
    """

    def __init__(self, shortcut: Shortcut) -> None:
        self._shortcut = shortcut

    @property
    def identity(self) -> str:
        """`builtin:` with the rule's name."""
        return f"builtin:{self._shortcut.value}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Reply with the letter that the rule picks; raises nothing."""
        text = self._pick(prompt.choices).letter if prompt.choices else ""
        return Reply(text=text, model=self.identity)

    def _pick(self, choices: tuple[Choice, ...]) -> Choice:
        if self._shortcut is Shortcut.LONGEST:
            return max(choices, key=lambda choice: len(choice.text))
        if self._shortcut is Shortcut.SHORTEST:
            return min(choices, key=lambda choice: len(choice.text))
        return choices[0]
