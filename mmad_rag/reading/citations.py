"""Find the passages that a reply cites by number."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmad_rag.records import Knowledge, Passage

_CODE = re.compile(r"(?P<fence>```|~~~).*?(?:(?P=fence)|\Z)|(?P<ticks>`{1,2})[^\n]*?(?P=ticks)", re.DOTALL)
_NUMBER = r"[1-9][0-9]{0,5}"
_RANGE = rf"{_NUMBER}(?:\s*[-\u2010-\u2013]\s*{_NUMBER})?"
_JOINT = r"\s*(?:[,;&]|\band\b)\s*"
_BRACKETS = re.compile(rf"(?<!!)\[\s*({_RANGE}(?:{_JOINT}{_RANGE})*)\s*\]", re.IGNORECASE)
_LINK_AFTER = re.compile(r"\(|:\s*\S+://")
_LINK_TEXT_BEFORE = re.compile(r"\[[^\[\]\n]*[^\W\d][^\[\]\n]*\]\Z")
_NAME_BEFORE = re.compile(r"([^\W\d]\w*(?:\([^()\s]*\))?|\])\Z")
_CODE_NAME = re.compile(r"[_)]|[a-z]{2}[A-Z]")
_CODE_AFTER = re.compile(r"\.[a-z_]|\s*(?:[-+*/|&]?=|[-+]{2})")


def cited_passages(reply_text: str, knowledge: Knowledge | None) -> tuple[Passage, ...]:
    """The passages that a reply cites, each once, in the order of their first citation.

    Citations are `[2]`, `[1, 3]`, `[1-3]`, `[1 and 2]` and sequences of them, `[2][3]`; numbers without a
    passage are ignored. Words in brackets (`[sic]`), code between backticks, Markdown links and their
    definitions, and unmistakable index expressions (`scores_a[1]`, `items[1].name`, `x[1] = 2`) are not
    citations. A bare `word[1]` is taken for a citation, because most models write citations like this.

    Args:
        reply_text: The text of the reply.
        knowledge: The knowledge that the model was shown; passages are numbered from 1 in the order of hits.

    Example:
        >>> cited_passages("The rim is torn [1].", None)
        ()
    """
    hits = knowledge.hits if knowledge is not None else ()
    numbers = dict.fromkeys(_numbers(_CODE.sub(" ", reply_text), len(hits)))
    return tuple(hits[number - 1].passage for number in numbers)


def _numbers(text: str, count: int) -> Iterator[int]:
    """Every number in [1, count] that the text cites, with repetitions."""
    end_of_last = -1
    for found in _BRACKETS.finditer(text):
        follows_citation = found.start() == end_of_last
        if not follows_citation and _is_code_or_link(text, found):
            continue
        if _LINK_AFTER.match(text, found.end()):
            continue
        end_of_last = found.end()
        for piece in re.split(_JOINT, found[1], flags=re.IGNORECASE):
            first, *last = (int(number) for number in re.findall(_NUMBER, piece))
            yield from range(first, min(last[0] if last else first, count) + 1)


def _is_code_or_link(text: str, found: re.Match[str]) -> bool:
    """Whether the text around the brackets makes them an index, or the target of a Markdown link."""
    before = text[max(0, found.start() - 200) : found.start()]
    name = _NAME_BEFORE.search(before)
    if name is None:
        return False
    if _LINK_TEXT_BEFORE.search(before):
        return True
    return bool(_CODE_NAME.search(name[1]) or _CODE_AFTER.match(text, found.end()))
