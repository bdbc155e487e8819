"""Expert knowledge of industrial products for any multimodal LLM: retrieve it, add it, measure it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names
from mmad_rag.version import __version__

if TYPE_CHECKING:
    from mmad_rag.errors import MmadRagError
    from mmad_rag.evaluation import Evaluation, RunSettings, evaluate
    from mmad_rag.images import open_image
    from mmad_rag.index import KnowledgeIndex
    from mmad_rag.models import ModelOptions
    from mmad_rag.rag import Answer, Inquiry, RagWrapper, Timings
    from mmad_rag.records import (
        Candidate,
        Choice,
        EncodedImage,
        Hit,
        Knowledge,
        Passage,
        Prompt,
        Reply,
        Route,
        RouteOutcome,
        SecondLook,
        Usage,
    )
    from mmad_rag.retrieve import ClipRetriever

__all__ = [
    "Answer",
    "Candidate",
    "Choice",
    "ClipRetriever",
    "EncodedImage",
    "Evaluation",
    "Hit",
    "Inquiry",
    "Knowledge",
    "KnowledgeIndex",
    "MmadRagError",
    "ModelOptions",
    "Passage",
    "Prompt",
    "RagWrapper",
    "Reply",
    "Route",
    "RouteOutcome",
    "RunSettings",
    "SecondLook",
    "Timings",
    "Usage",
    "__version__",
    "evaluate",
    "open_image",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.errors": ("MmadRagError",),
            "mmad_rag.evaluation": ("Evaluation", "RunSettings", "evaluate"),
            "mmad_rag.images": ("open_image",),
            "mmad_rag.index": ("KnowledgeIndex",),
            "mmad_rag.models": ("ModelOptions",),
            "mmad_rag.rag": ("Answer", "Inquiry", "RagWrapper", "Timings"),
            "mmad_rag.records": (
                "Candidate",
                "Choice",
                "EncodedImage",
                "Hit",
                "Knowledge",
                "Passage",
                "Prompt",
                "Reply",
                "Route",
                "RouteOutcome",
                "SecondLook",
                "Usage",
            ),
            "mmad_rag.retrieve": ("ClipRetriever",),
        },
    )
