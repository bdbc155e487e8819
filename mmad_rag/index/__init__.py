"""Passages and their vectors in a folder that describes itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names

if TYPE_CHECKING:
    from mmad_rag.index.knowledge_index import KnowledgeIndex
    from mmad_rag.index.manifest import Manifest
    from mmad_rag.index.rows import Key, KeyKind, Reference

__all__ = ["Key", "KeyKind", "KnowledgeIndex", "Manifest", "Reference"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.index.knowledge_index": ("KnowledgeIndex",),
            "mmad_rag.index.manifest": ("Manifest",),
            "mmad_rag.index.rows": (
                "Key",
                "KeyKind",
                "Reference",
            ),
        },
    )
