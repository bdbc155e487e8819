"""Checkpoints of the transformers library as models."""
