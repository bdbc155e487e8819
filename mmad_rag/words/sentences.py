"""Cut a text of any script into its sentences."""

from __future__ import annotations

import re
from itertools import pairwise

from mmad_rag.words.scripts import UNSPACED

_ENDS = "。！？；｡⁇⁈⁉؟۔।॥։።፧፨၊။។៕།༎᠃᠉⸮꓿"
"""Signs that end a sentence or a clause without a space after them: of Chinese and Japanese, Arabic and Urdu,
Hindi and its neighbours, Armenian, Ethiopic, Burmese, Khmer, Tibetan, Mongolian and Lisu."""
_CLOSERS = "」』”’）)】》〉〕］\"'»"
_ANY_END = re.compile(
    rf"((?:[{_ENDS}]|(?<!\d)．|．(?!\d)|(?<=[{UNSPACED}])[.!?;](?=[{UNSPACED}]))+[{_CLOSERS}]*)\s*"
)
"""One sentence end or several; a full stop between digits is a decimal point."""
_LATIN_END = re.compile(r"(?<=[.!?:])\s+|\n+")
_CAREFUL_END = re.compile(r"(?<=[.!?])\s+|\n+")
_CLAUSE_END = re.compile(r"(?<=[，、；：,;،؛၊])\s*(?=\S)|\s+")


def sentences(text: str) -> list[str]:
    """The parts of a text up to each sentence's end, a colon or a line's end; none is empty.

    Example:
        >>> sentences("表面光滑，没有裂纹。厚度均匀：3．5毫米！ Fine. Good.")
        ['表面光滑，没有裂纹。', '厚度均匀：3．5毫米！', 'Fine.', 'Good.']
    """
    return _cut(_LATIN_END, text)


def prose_sentences(text: str) -> list[str]:
    """The sentences of a text as a reader counts them: a Latin full stop ends one only before a capital or a
    letter without case."""
    found: list[str] = []
    for part in _cut(_CAREFUL_END, text):
        begins = part[0].isalpha() and not part[0].islower()
        if begins or not found or found[-1][-1] in _ENDS + _CLOSERS:
            found.append(part)
        else:
            found[-1] += f" {part}"
    return found


def clauses(text: str) -> list[str]:
    """The parts of a sentence between commas and spaces, each with the space that follows it."""
    places = [0, *(found.end() for found in _CLAUSE_END.finditer(text)), len(text)]
    return [text[start:end] for start, end in pairwise(places) if end > start]


def _cut(ends: re.Pattern[str], text: str) -> list[str]:
    marked = text if text.isascii() else _ANY_END.sub(r"\1\n", text)
    return [part for piece in ends.split(marked) if (part := piece.strip())]
