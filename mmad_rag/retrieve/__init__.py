"""image -> route; question -> passages of that product, within a token budget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmad_rag.lazy import lazy_names

if TYPE_CHECKING:
    from mmad_rag.retrieve.clip import ClipRetriever
    from mmad_rag.retrieve.oracle import FixedProductRetriever
    from mmad_rag.retrieve.protocol import Retriever
    from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET
    from mmad_rag.retrieve.selection.tokenizers import token_counter
    from mmad_rag.words.token_estimate import TokenCounter, estimate_tokens

__all__ = [
    "DEFAULT_BUDGET",
    "ClipRetriever",
    "FixedProductRetriever",
    "Retriever",
    "TokenCounter",
    "estimate_tokens",
    "token_counter",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "mmad_rag.retrieve.clip": ("ClipRetriever",),
            "mmad_rag.retrieve.oracle": ("FixedProductRetriever",),
            "mmad_rag.retrieve.protocol": ("Retriever",),
            "mmad_rag.retrieve.selection.select": ("DEFAULT_BUDGET",),
            "mmad_rag.words.token_estimate": (
                "TokenCounter",
                "estimate_tokens",
            ),
            "mmad_rag.retrieve.selection.tokenizers": ("token_counter",),
        },
    )
