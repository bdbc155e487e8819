"""image -> route; question -> passages of that product, within a token budget."""

from mmad_rag.retrieve.citations import cited_passages
from mmad_rag.retrieve.clip import ClipRetriever
from mmad_rag.retrieve.counter import token_counter
from mmad_rag.retrieve.fixed import FixedProductRetriever
from mmad_rag.retrieve.protocol import Retriever
from mmad_rag.retrieve.select import DEFAULT_BUDGET
from mmad_rag.retrieve.tokens import TokenCounter, estimate_tokens

__all__ = [
    "DEFAULT_BUDGET",
    "ClipRetriever",
    "FixedProductRetriever",
    "Retriever",
    "TokenCounter",
    "cited_passages",
    "estimate_tokens",
    "token_counter",
]
