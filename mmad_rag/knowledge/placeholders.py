"""Detect texts that are still to be written."""

from __future__ import annotations

import re

PLACEHOLDER = "TODO"
"""The word that begins every placeholder of a new product file."""
HOLDS_PLACEHOLDER = "holds a placeholder; write the text or remove the field"
"""The message about a field with a placeholder."""

_UNWRITTEN = re.compile(r"\b(TODO|TBD|FIXME)\b")
_UNFINISHED = re.compile(r"\b(todo|tbd|fixme|lorem ipsum|xxx)\b|\.\.\.|…", re.IGNORECASE)


def is_unwritten(text: str) -> bool:
    """Whether a text is marked as still to be written; its file is not used.

    Only the words in capitals: prose may hold `todo` in another language, or an ellipsis.
    """
    return _UNWRITTEN.search(text) is not None


def looks_unfinished(text: str) -> bool:
    """Whether a text looks unfinished, for instance by an ellipsis or filler; the linter reports it."""
    return _UNFINISHED.search(text) is not None
