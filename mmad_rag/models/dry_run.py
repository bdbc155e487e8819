"""A model that only counts tokens, to predict what a real model would be sent."""

from __future__ import annotations

from collections.abc import Callable

from mmad_rag.images.encode import size_within
from mmad_rag.models.options import Detail, ModelOptions
from mmad_rag.models.prices import ImageTokens
from mmad_rag.prompt import TextPart, render
from mmad_rag.records import Prompt, Reply, Usage

REPLY_TOKENS = 16
"""Assumed number of tokens of a reply by default: a letter, or a short sentence with it."""
COUNTING = "counting/"
"""Prefix of the identity, followed by the identity of the model whose tokens are counted."""
_PER_MESSAGE = 4  # tokens that chat formats add around each of the two messages


class CountingModel:
    """Gives a placeholder reply with the token counts that a real model would be charged for.

    Args:
        identity: Identity of the model that it stands in for.
        count: Counts the tokens of a text.
        images: How the model counts images.
        reply_tokens: Assumed number of tokens of every reply.
        options: Options of the model; `image_size` and `detail` change the token count of an image.
    """

    def __init__(
        self,
        identity: str,
        count: Callable[[str], int],
        images: ImageTokens,
        *,
        reply_tokens: int = REPLY_TOKENS,
        options: ModelOptions | None = None,
    ) -> None:
        self._identity = identity
        self._count = count
        self._images = images
        self._reply_tokens = reply_tokens
        self._options = options if options is not None else ModelOptions()

    @property
    def identity(self) -> str:
        """`counting/` with the identity of the model that it stands in for."""
        return f"{COUNTING}{self._identity}"

    async def answer(self, prompt: Prompt) -> Reply:
        """Count the tokens of a prompt."""
        rendered = render(prompt)
        tokens = self._count(rendered.system) + 2 * _PER_MESSAGE
        for part in rendered.parts:
            if isinstance(part, TextPart):
                tokens += self._count(part.text)
            else:
                width, height = size_within(part.width, part.height, self._options.image_size)
                tokens += self._images.tokens(width, height, low=self._options.detail == Detail.LOW)
        return Reply("", self._identity, Usage(tokens, self._reply_tokens))
