"""Make characters that hide, or that turn the text around them, visible on a page.

A reply, a passage or a path may hold characters that a browser does not draw but obeys: controls that reverse
the order of what follows (Boucher & Anderson, Trojan Source, 2021), tags that only a model reads, NUL. They
are written as `⟨U+202E⟩`, so that what is read is what is there.
"""

from __future__ import annotations

import re
import unicodedata

_KEPT = frozenset("\n\t\u200c\u200d")
"""Line ends and tabs; the joiners that several scripts and many emoji are written with."""
_HIDDEN = frozenset({"Cc", "Cf", "Cs"})
_PLAIN = re.compile(r"[\n\t -~]*")


def visible(text: str) -> str:
    """The text with every control and format character named; line ends are `\\n`.

    Example:
        >>> visible("a\\x00b")
        'a⟨U+0000⟩b'
    """
    text = text.replace("\r\n", "\n")
    if _PLAIN.fullmatch(text):
        return text
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in _HIDDEN:
        return character
    return f"⟨U+{ord(character):04X}⟩"
