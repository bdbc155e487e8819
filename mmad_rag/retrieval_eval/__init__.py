"""Labelled images to figures of routing: how often right, how sure, and how honest about the unknown."""

from mmad_rag.retrieval_eval.evaluate import RetrievalEvaluation, evaluate_retrieval, parse_changes
from mmad_rag.retrieval_eval.result import RetrievalResult

__all__ = ["RetrievalEvaluation", "RetrievalResult", "evaluate_retrieval", "parse_changes"]
