"""Read, check and write what experts know about products."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names

if TYPE_CHECKING:
    from mmad_rag.knowledge.base import (
        KnowledgeBase,
        Problem,
        ProductFile,
        load_knowledge,
        product_paths,
        read_product,
    )
    from mmad_rag.knowledge.passages import passages_of, visual_keys
    from mmad_rag.knowledge.schema import Product

__all__ = [
    "KnowledgeBase",
    "Problem",
    "Product",
    "ProductFile",
    "load_knowledge",
    "passages_of",
    "product_paths",
    "read_product",
    "visual_keys",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.knowledge.base": (
                "KnowledgeBase",
                "Problem",
                "ProductFile",
                "load_knowledge",
                "product_paths",
                "read_product",
            ),
            "mmad_rag.knowledge.passages": (
                "passages_of",
                "visual_keys",
            ),
            "mmad_rag.knowledge.schema": ("Product",),
        },
    )
