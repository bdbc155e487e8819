"""Passages and their vectors in a folder that describes itself."""

from mmad_rag.index.knowledge_index import KnowledgeIndex
from mmad_rag.index.manifest import Manifest
from mmad_rag.index.rows import Key, KeyKind, Reference

__all__ = ["Key", "KeyKind", "KnowledgeIndex", "Manifest", "Reference"]
