"""LLMs of LlamaIndex as models."""
