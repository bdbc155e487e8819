"""Expert knowledge of industrial products for any multimodal LLM: retrieve it, add it, measure it."""

from mmad_rag.index import KnowledgeIndex
from mmad_rag.rag import RagWrapper
from mmad_rag.retrieve import ClipRetriever
from mmad_rag.version import __version__

__all__ = ["ClipRetriever", "KnowledgeIndex", "RagWrapper", "__version__"]
