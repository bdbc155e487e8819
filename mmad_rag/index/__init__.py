"""Passages and their vectors in a folder that describes itself."""

from mmad_rag.index.knowledge_index import Key, KnowledgeIndex, Reference
from mmad_rag.index.manifest import Manifest

__all__ = ["Key", "KnowledgeIndex", "Manifest", "Reference"]
