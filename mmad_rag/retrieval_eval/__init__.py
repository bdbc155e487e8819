"""Measure routing on labelled images: its accuracy, confidence, and recognition of unknown products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names

if TYPE_CHECKING:
    from mmad_rag.retrieval_eval.evaluate import RetrievalEvaluation, evaluate_retrieval, parse_changes
    from mmad_rag.retrieval_eval.result import RetrievalResult

__all__ = ["RetrievalEvaluation", "RetrievalResult", "evaluate_retrieval", "parse_changes"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.retrieval_eval.evaluate": (
                "RetrievalEvaluation",
                "evaluate_retrieval",
                "parse_changes",
            ),
            "mmad_rag.retrieval_eval.result": ("RetrievalResult",),
        },
    )
