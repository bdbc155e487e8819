"""Measure routing on labelled images: its accuracy, confidence, and recognition of unknown products."""

from mmad_rag.retrieval_eval.evaluate import RetrievalEvaluation, evaluate_retrieval, parse_changes
from mmad_rag.retrieval_eval.result import RetrievalResult

__all__ = ["RetrievalEvaluation", "RetrievalResult", "evaluate_retrieval", "parse_changes"]
