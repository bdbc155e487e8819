"""Find the product files that come with the library."""

from __future__ import annotations

from pathlib import Path

from mmad_rag.errors import KnowledgeError

_PACKAGE = Path(__file__).parents[1]


def shipped_knowledge() -> Path:
    """The folder of product files: inside an installed package, or beside the package in a checkout.

    Raises:
        KnowledgeError: there is no such folder.
    """
    for folder in (_PACKAGE / "shipped_knowledge", _PACKAGE.parent / "knowledge"):
        if folder.is_dir():
            return folder
    raise KnowledgeError("the product files are not installed with the library; install it again")
