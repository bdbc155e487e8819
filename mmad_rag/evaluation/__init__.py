"""Evaluate a model with and without knowledge in one call: what `mmad-rag eval` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names

if TYPE_CHECKING:
    from mmad_rag.benchmark.run.settings import RunSettings
    from mmad_rag.evaluation.evaluate_model import evaluate
    from mmad_rag.evaluation.experiment import Experiment, prepare
    from mmad_rag.evaluation.result import Evaluation

__all__ = ["Evaluation", "Experiment", "RunSettings", "evaluate", "prepare"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.benchmark.run.settings": ("RunSettings",),
            "mmad_rag.evaluation.evaluate_model": ("evaluate",),
            "mmad_rag.evaluation.experiment": ("Experiment", "prepare"),
            "mmad_rag.evaluation.result": ("Evaluation",),
        },
    )
