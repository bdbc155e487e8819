"""Expert knowledge of industrial products for any multimodal LLM: retrieve it, inject it, measure it."""

__version__ = "0.1.0"
