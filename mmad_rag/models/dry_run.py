"""A model that only counts what it is shown, to say beforehand what a real one would be sent."""

from __future__ import annotations

from collections.abc import Callable

from mmad_rag.images.encode import size_within
from mmad_rag.models.options import Detail, ModelOptions
from mmad_rag.models.prices import ImageTokens
from mmad_rag.prompt import TextPart, render
from mmad_rag.records import Prompt, Reply, Usage

REPLY_TOKENS = 16
"""Tokens of a reply, where nobody says otherwise: a letter, or a short sentence around it."""
COUNTING = "counting/"
"""Before the identity of the model that is stood for."""
_PER_MESSAGE = 4  # what chat formats put around each of the two messages


class CountingModel:
    """Replies nothing of worth, with the token counts that a real model would be charged for.

    Args:
        identity: Of the model that it stands for.
        count: Tokens of a text.
        images: How the model counts images.
        tokenizer: What that model's tokenizer is known by; None where its tokens are estimated.
        reply_tokens: What every reply is taken to be long.
        options: Of the model; `image_size` and `detail` change what an image counts for.
    """

    def __init__(
        self,
        identity: str,
        count: Callable[[str], int],
        images: ImageTokens,
        *,
        tokenizer: str | None = None,
        reply_tokens: int = REPLY_TOKENS,
        options: ModelOptions | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        """What the tokenizer of the model that it stands for is known by."""
        self._identity = identity
        self._count = count
        self._images = images
        self._reply_tokens = reply_tokens
        self._options = options if options is not None else ModelOptions()

    @property
    def identity(self) -> str:
        """`counting/` with the identity of the model that it stands for."""
        return f"{COUNTING}{self._identity}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Count a prompt."""
        rendered = render(prompt)
        tokens = self._count(rendered.system) + 2 * _PER_MESSAGE
        for part in rendered.parts:
            if isinstance(part, TextPart):
                tokens += self._count(part.text)
            else:
                width, height = size_within(part.width, part.height, self._options.image_size)
                tokens += self._images.tokens(width, height, low=self._options.detail == Detail.LOW)
        return Reply("", self._identity, Usage(tokens, self._reply_tokens))
