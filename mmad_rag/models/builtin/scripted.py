"""A model with prescribed replies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import TypeAlias

from mmad_rag.errors import ModelActionError
from mmad_rag.records import Prompt, Reply

Script: TypeAlias = str | Exception | Sequence[str | Exception] | Callable[[Prompt], str]
"""One reply for every prompt, a sequence with one reply per prompt in the order of asking, or a function.

An exception given instead of a reply is raised; exceptions of a function pass unchanged.
"""


class ScriptedModel:
    """Gives the replies of a script, for tests, examples and dry runs.

    Example:
        >>> import asyncio
        >>> model = ScriptedModel(["B", "I cannot tell."])
        >>> asyncio.run(model.answer(Prompt("Is there a defect?", image=None))).text
        'B'
        >>> model.prompts[0].question
        'Is there a defect?'
    """

    def __init__(self, replies: Script, *, name: str | None = None, keep_prompts: bool = True) -> None:
        """Keep the script.

        Args:
            replies: The script, see `Script`.
            name: Part of the identity that stands for the replies; by default the reply itself, a digest
                of a sequence, or a function's qualified name. Give one if two functions have the same name.
            keep_prompts: Whether to collect the prompts in `prompts`; False saves memory in a long dry run.
        """
        self.prompts: list[Prompt] = []
        self._replies = replies
        self._name = name if name is not None else _name_of(replies)
        self._keep_prompts = keep_prompts
        self._asked = 0

    @property
    def identity(self) -> str:
        """`builtin:scripted/` with the name of the script."""
        return f"builtin:scripted/{self._name}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Give the script's reply for this prompt.

        Raises:
            ModelActionError: a sequence of replies is exhausted.
            Exception: an exception that the script holds instead of a reply.
        """
        if self._keep_prompts:
            self.prompts.append(prompt)
        self._asked += 1
        reply = self._next(prompt)
        if isinstance(reply, Exception):
            raise reply
        return Reply(text=reply, model=self.identity)

    def _next(self, prompt: Prompt) -> str | Exception:
        if isinstance(self._replies, str | Exception):
            return self._replies
        if callable(self._replies):
            return self._replies(prompt)
        if self._asked > len(self._replies):
            return ModelActionError(
                f"the scripted model has {len(self._replies)} replies and was asked {self._asked} times; "
                "write one reply per prompt, or a single string for all of them"
            )
        return self._replies[self._asked - 1]


def _name_of(replies: Script) -> str:
    """A name, in one line, that differs between scripts as far as they can be told apart."""
    if isinstance(replies, str):
        plain = replies.isprintable() and not replies.startswith(("'", '"'))
        return replies if plain else repr(replies)
    if isinstance(replies, Exception):
        return repr(replies)
    if callable(replies):
        return str(getattr(replies, "__qualname__", type(replies).__qualname__))
    lines = json.dumps([reply if isinstance(reply, str) else repr(reply) for reply in replies])
    return hashlib.sha256(lines.encode()).hexdigest()[:16]
