"""Tell a text that is still to be written from one that is written."""

from __future__ import annotations

import re

PLACEHOLDER = "TODO"
"""Begins every placeholder of a new product file."""
HOLDS_PLACEHOLDER = "holds a placeholder; write the text or remove the field"
"""What is said of a field with one."""

_UNWRITTEN = re.compile(r"\b(TODO|TBD|FIXME)\b")
_UNFINISHED = re.compile(r"\b(todo|tbd|fixme|lorem ipsum|xxx)\b|\.\.\.|…", re.IGNORECASE)


def is_unwritten(text: str) -> bool:
    """Whether a text says of itself that it is still to be written; such a file is not used.

    Only the words in capitals: prose may hold `todo` in another language, or an ellipsis.
    """
    return _UNWRITTEN.search(text) is not None


def looks_unfinished(text: str) -> bool:
    """Whether an editor would ask if a text is finished: also ellipses and filler; the linter asks."""
    return _UNFINISHED.search(text) is not None
