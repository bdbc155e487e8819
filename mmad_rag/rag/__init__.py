"""A model that looks things up before it asks another model."""

from mmad_rag.rag.answer import Answer, Timings
from mmad_rag.rag.augment import Addition
from mmad_rag.rag.batch import Inquiry
from mmad_rag.rag.sync import run_sync
from mmad_rag.rag.wrapper import RagWrapper

__all__ = ["Addition", "Answer", "Inquiry", "RagWrapper", "Timings", "run_sync"]
