"""The OpenAI-compatible endpoint that adds knowledge to what it forwards; see docs/SERVE.md."""
