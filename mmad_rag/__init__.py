"""Expert knowledge of industrial products for any multimodal LLM: retrieve it, add it, measure it."""

from typing import TYPE_CHECKING, Any

from mmad_rag.index import KnowledgeIndex
from mmad_rag.rag import RagWrapper
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.version import __version__

if TYPE_CHECKING:
    from mmad_rag.evaluation import Evaluation, RunSettings, evaluate

__all__ = [
    "ClipRetriever",
    "Evaluation",
    "KnowledgeIndex",
    "RagWrapper",
    "RunSettings",
    "__version__",
    "evaluate",
]

_LAZY = dict.fromkeys(("Evaluation", "RunSettings", "evaluate"), "mmad_rag.evaluation")
"""Public name -> the module that it is loaded from on first use."""


def __getattr__(name: str) -> Any:  # noqa: ANN401 - the type depends on the name
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_LAZY[name]), name)
