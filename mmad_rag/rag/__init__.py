"""A model that looks things up before it asks another model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names

if TYPE_CHECKING:
    from mmad_rag.rag.answer import Answer, Timings
    from mmad_rag.rag.augment import Addition
    from mmad_rag.rag.batch import AskingInterrupted, Inquiry
    from mmad_rag.rag.sync import run_sync
    from mmad_rag.rag.wrapper import RagWrapper

__all__ = ["Addition", "Answer", "AskingInterrupted", "Inquiry", "RagWrapper", "Timings", "run_sync"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.rag.answer": (
                "Answer",
                "Timings",
            ),
            "mmad_rag.rag.augment": ("Addition",),
            "mmad_rag.rag.batch": ("AskingInterrupted", "Inquiry"),
            "mmad_rag.rag.sync": ("run_sync",),
            "mmad_rag.rag.wrapper": ("RagWrapper",),
        },
    )
