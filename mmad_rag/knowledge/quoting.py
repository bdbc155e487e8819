"""Find texts that YAML reads otherwise than their writer meant, because they are not in quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import yaml

from mmad_rag.knowledge.source import KeyPath, Source

_PROSE_FIELDS = """
appearance structure function variation composition view how location cause effect descriptions
"""
_PROSE = frozenset(_PROSE_FIELDS.split())
"""Fields whose items are sentences."""
_TEXTS = _PROSE | {"name", "aliases", "dataset", "sources", "author", "references"}
_COMMENT = re.compile(r"[ \t]+(#.*)")
_SENTENCE_END = re.compile(r"[.!?…。！？｡．؟۔।॥]['\"”’»」』)]*$")
_KINDS = {"bool": "yes or no", "int": "a number", "float": "a number", "null": "nothing"}
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Misreading:
    """One text that YAML read otherwise than it stands in the file."""

    where: KeyPath
    line: int
    """Line in the file, from 1."""
    message: str


def misreadings(source: Source) -> Iterator[Misreading]:
    """Texts cut at ` #`, lists split at a comma, dates in place of texts, and signs taken for YAML's own."""
    root = _root(source.text)
    if root is not None:
        yield from _in_node(root, (), source.text)
    yield from _lost_signs(source)


def read_as(source: Source, where: KeyPath) -> str | None:
    """The message for a value that is not text where text must stand; None if quotes would not mend it."""
    node = _root(source.text)
    for key in where:
        if isinstance(node, yaml.MappingNode):
            node = next((child for name, child in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
        else:
            return None
    if isinstance(node, yaml.MappingNode):
        return "is read by YAML as a field with a value, because of ': ' or braces; put the text into quotes"
    if isinstance(node, yaml.ScalarNode) and node.value and node.style is None:
        kind = node.tag.rpartition(":")[2]
        name = _KINDS.get(kind, kind)
        return f"is {_short(node.value)!r}, which YAML reads as {name}, not as text; put it into quotes"
    if isinstance(node, yaml.ScalarNode) and not node.value and node.style is None:
        return "is empty; write a text, and put one that begins with # into quotes"
    return None


@lru_cache(maxsize=2)  # every problem of a file asks for it
def _root(text: str) -> yaml.Node | None:
    root: yaml.Node | None = yaml.compose(text, Loader=yaml.SafeLoader)
    return root


def _in_node(node: yaml.Node, where: KeyPath, text: str) -> Iterator[Misreading]:
    if isinstance(node, yaml.MappingNode):
        for key, child in node.value:
            yield from _in_node(child, (*where, str(key.value)), text)
    elif isinstance(node, yaml.SequenceNode):
        if _is_split(node, where):
            first = _short(node.value[0].value)
            message = (
                f"is split at a comma after {first!r}; put each whole sentence of a [...] list into quotes"
            )
            yield Misreading(where, node.start_mark.line + 1, message)
        for position, child in enumerate(node.value):
            yield from _in_node(child, (*where, position), text)
    elif isinstance(node, yaml.ScalarNode) and node.style is None and _field(where) in _TEXTS:
        yield from _in_text(node, where, text)


def _in_text(node: yaml.ScalarNode, where: KeyPath, text: str) -> Iterator[Misreading]:
    line_end = text.find("\n", node.end_mark.index)
    rest = text[node.end_mark.index : line_end if line_end >= 0 else len(text)]
    if cut := _COMMENT.match(rest):
        message = (
            f"ends before {_short(cut[1].strip())!r}, as YAML takes ' #' for a comment; put the text into "
            "quotes, or the comment on a line of its own"
        )
        yield Misreading(where, node.end_mark.line + 1, message)
    if node.tag.endswith(":timestamp"):
        message = f"is {node.value!r}, which YAML reads as a date and writes anew; put it into quotes"
        yield Misreading(where, node.start_mark.line + 1, message)


def _is_split(node: yaml.SequenceNode, where: KeyPath) -> bool:
    """Whether sentences of a `[...]` list look cut at their commas: some end without a full stop, or go on in
    lower case."""
    items = node.value
    if not node.flow_style or len(items) < 2 or _field(where) not in _PROSE:
        return False
    if not all(isinstance(item, yaml.ScalarNode) for item in items):
        return False
    pairs = [(one, other) for one, other in pairwise(items) if one.style is None]
    open_ended = any(not _SENTENCE_END.search(one.value) for one, _ in pairs)
    goes_on = any(
        other.style is None and other.value[:1].islower() and not _SENTENCE_END.search(one.value)
        for one, other in pairs
    )
    if _field(where) != "descriptions":
        return open_ended
    closed = _SENTENCE_END.search(items[-1].value) is not None
    return (open_ended and closed) or (goes_on and items[0].value[:1].isupper())


def _lost_signs(source: Source) -> Iterator[Misreading]:
    """Words behind & and ! at the beginning of a text, which YAML takes for names and types."""
    places = {line: where for where, line in source.lines.items()}
    anchors: dict[str, yaml.Token] = {}
    used: set[str] = set()
    for token in yaml.scan(source.text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AnchorToken):
            anchors[token.value] = token
        elif isinstance(token, yaml.AliasToken):
            used.add(token.value)
        elif isinstance(token, yaml.TagToken) and token.value[0] != "!!":
            line = token.start_mark.line + 1
            yield Misreading(
                places.get(line, ()), line, _LOST.format("!" + (token.value[1] or "").lstrip("!"))
            )
    for name, token in anchors.items():
        if name not in used:
            line = token.start_mark.line + 1
            yield Misreading(places.get(line, ()), line, _LOST.format(f"&{name}"))


_LOST = "loses {!r}, which YAML takes for a mark of its own; put the text into quotes"


def _field(where: KeyPath) -> str:
    """The name of the field that a value belongs to."""
    return next((key for key in reversed(where) if isinstance(key, str)), "")


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
