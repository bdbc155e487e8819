"""A control that asks another model without showing it any image."""

from __future__ import annotations

import dataclasses

from mmad_rag.models.protocol import Model
from mmad_rag.records import Prompt, Reply


class BlindModel:
    """Removes the query image and the reference images from a prompt; the model gets the rest unchanged.

    Inside a `RagWrapper` the image is still routed, so that the knowledge belongs to the image.

    Args:
        model: The model to ask.
    """

    def __init__(self, model: Model) -> None:
        self.model = model

    @property
    def identity(self) -> str:
        """`blind/` with the inner model's identity."""
        return f"blind/{self.model.identity}"

    @property
    def tokenizer(self) -> str | None:
        """The inner model's tokenizer."""
        return getattr(self.model, "tokenizer", None)

    async def answer(self, prompt: Prompt) -> Reply:
        """Ask the inner model with text alone; its errors pass unchanged."""
        return await self.model.answer(dataclasses.replace(prompt, image=None, references=()))
