"""Docstrings of our own form as Markdown."""

from __future__ import annotations

import inspect
import re

LISTS = {"Args": "Arguments", "Raises": "Raises"}
"""Sections whose entries are `name: text`, and their headings."""
_SECTION = re.compile(r"^(Args|Returns|Raises|Example):$", re.MULTILINE)
_ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)


def markdown(docstring: str) -> str:
    """The docstring's paragraphs, its arguments and errors as lists, its example as a block of code."""
    text, *sections = _SECTION.split(inspect.cleandoc(docstring))
    parts = [text.strip()]
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        content = inspect.cleandoc(body)
        if name in LISTS:
            entries = [" ".join(entry.split()) for entry in _ENTRY.split(content) if entry.strip()]
            parts.append(f"**{LISTS[name]}**\n\n" + "\n".join(_bullet(entry) for entry in entries))
        elif name == "Returns":
            parts.append(f"**Returns** {' '.join(content.split())}")
        else:
            code = re.sub(r" *# doctest: \+SKIP$", "", content, flags=re.MULTILINE)
            parts.append(f"```pycon\n{code}\n```")
    return "\n\n".join(part for part in parts if part)


def _bullet(entry: str) -> str:
    names, _, text = entry.partition(": ")
    marked = ", ".join(f"`{name}`" for name in names.split(", "))
    return f"- {marked}: {text}"
