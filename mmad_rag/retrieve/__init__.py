"""image -> route; question -> passages of that product, within a token budget."""

from mmad_rag.retrieve.clip import ClipRetriever
from mmad_rag.retrieve.oracle import FixedProductRetriever
from mmad_rag.retrieve.protocol import Retriever
from mmad_rag.retrieve.selection.select import DEFAULT_BUDGET
from mmad_rag.retrieve.selection.token_estimate import TokenCounter, estimate_tokens
from mmad_rag.retrieve.selection.tokenizers import token_counter

__all__ = [
    "DEFAULT_BUDGET",
    "ClipRetriever",
    "FixedProductRetriever",
    "Retriever",
    "TokenCounter",
    "estimate_tokens",
    "token_counter",
]
