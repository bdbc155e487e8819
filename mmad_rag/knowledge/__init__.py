"""Read, check and write what experts know about products."""

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
