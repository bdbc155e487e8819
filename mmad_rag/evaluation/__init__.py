"""Evaluate a model with and without knowledge in one call: what `mmad-rag eval` does."""

from mmad_rag.benchmark.run.settings import RunSettings
from mmad_rag.evaluation.evaluate_model import evaluate
from mmad_rag.evaluation.experiment import Experiment, prepare
from mmad_rag.evaluation.result import Evaluation

__all__ = ["Evaluation", "Experiment", "RunSettings", "evaluate", "prepare"]
