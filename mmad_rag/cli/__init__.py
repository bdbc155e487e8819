"""Command lines turned into calls of the library."""

from mmad_rag.cli.app import main

__all__ = ["main"]
