"""A control that asks another model without showing it any image."""

from __future__ import annotations

import dataclasses

from mmad_rag.models.protocol import Model
from mmad_rag.records import Prompt, Reply


class BlindModel:
    """Takes the query image and the normal examples out of a prompt; all else reaches the model unchanged.

    Inside a `RagWrapper` the image is still routed by, so that the knowledge is that of the image.

    Args:
        model: Who is asked.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def identity(self) -> str:
        """`blind/` with the inner model's."""
        return f"blind/{self.model.identity}"

    @property
    def tokenizer(self) -> str | None:
        """The inner model's."""
        return getattr(self.model, "tokenizer", None)

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask the inner model by text alone; raises what it raises."""
        return await self.model.answer(dataclasses.replace(prompt, image=None, references=()))
