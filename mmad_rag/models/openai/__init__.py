"""OpenAI-compatible endpoints as models."""
