"""Checkpoints for tests, and short ways to change and ask them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np

from mmad_rag.images import open_image
from mmad_rag.models.transformers.model import TransformersModel
from mmad_rag.records import Choice, EncodedImage, Prompt, Reply

CHOICES = (Choice("A", "Yes."), Choice("B", "No."))


def image(seed: int, height: int = 40, width: int = 52) -> EncodedImage:
    noise = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return open_image(noise)


def prompts() -> tuple[Prompt, ...]:
    """Of different lengths; with none, one and three images of other sizes; with and without choices."""
    return (
        Prompt("Is there a defect?", image(1), CHOICES),
        Prompt(
            "Is there any defect in it, and where?",
            image(2, 60, 30),
            CHOICES,
            (image(3), image(4, 30, 70)),
        ),
        Prompt("Is there a defect?", None, CHOICES),
        Prompt("What is it?", image(5)),
    )


def ask(model: TransformersModel, *asked: Prompt) -> list[Reply]:
    async def together() -> list[Reply]:
        return await asyncio.gather(*(model.answer(one) for one in asked))

    return asyncio.run(together())


def checkpoint_of(model: TransformersModel) -> Any:  # noqa: ANN401
    assert model._engine is not None
    return model._engine.checkpoint


def copy_of(folder: Path, to: Path, *leave_out: str) -> Path:
    to.mkdir()
    for path in folder.iterdir():
        if path.name not in leave_out:
            (to / path.name).write_bytes(path.read_bytes())
    return to


def change(path: Path, **values: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
