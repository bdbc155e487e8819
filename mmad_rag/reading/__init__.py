"""The choice that a reply makes, read without guessing."""

from mmad_rag.reading.parse import PARSER_VERSION, read_choice

__all__ = ["PARSER_VERSION", "read_choice"]
