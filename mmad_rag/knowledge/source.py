"""Read a YAML file safely, and remember the line of every value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmad_rag.errors import KnowledgeError

MAX_FILE_BYTES = 1_000_000
"""Largest size of a file that is read, in bytes; a product file has a few kilobytes of text."""
_MAX_NODES = 50_000
_YAML = "tag:yaml.org,2002:"
_KINDS = frozenset(
    _YAML + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge")
)
_UNPRINTABLE = yaml.reader.Reader.NON_PRINTABLE

_ADVICE = {
    "cannot start any token": "put spaces for a tab, and a text that begins with such a sign into quotes",
    "mapping values are not allowed": "put a text that holds ': ' into quotes",
    "unknown escape character": "write a backslash twice inside double quotes, or use single quotes",
    "found undefined alias": "put a text that begins with * into quotes",
    "expected alphabetic or numeric character": "put a text that begins with & or * into quotes",
    "chomping or indentation indicators": "put a text that begins with > or | into quotes",
    "expected a comment or a line break": "put a text that begins with > or | into quotes",
    "did not find expected": "put a text that holds signs of YAML into quotes",
    "expected <block end>": "put the whole text into quotes, and indent all items alike",
    "expected ',' or ']'": "put items that hold quotes, brackets or ': ' into quotes",
    "end of stream": "close the quotes or brackets",
}
"""Words of the YAML library's message -> what to do about it."""

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A parsed YAML file."""

    path: Path
    """The file that was read."""
    value: Any
    """The parsed value: plain dicts, lists and scalars."""
    text: str
    """The file's text as it stands."""
    lines: dict[KeyPath, int]
    """Line (from 1) of every key and item, by its path from the root."""

    def line(self, where: Sequence[str | int]) -> int:
        """The line of the value at `where`, or of its nearest ancestor that has one."""
        known = tuple(where)
        while known and known not in self.lines:
            known = known[:-1]
        return self.lines.get(known, 1)


def read_yaml(path: Path) -> Source:
    """Read one YAML file.

    Raises:
        KnowledgeError: the file is missing, too large, not UTF-8 or not YAML, or has a duplicate key, or
            anchors that expand out of proportion.
    """
    text = _read_text(path)
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise KnowledgeError(
            f"{path}:{line}: the character U+{error.character:04X} has no place in YAML; remove it"
        ) from None
    try:
        node = loader.get_single_node()
        lines: dict[KeyPath, int] = {}
        if node is not None:
            _walk(node, (), lines, path)
        value = None if node is None else loader.construct_document(node)
    except KnowledgeError:
        raise
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise KnowledgeError(
            f"{path}:{line}: this is not valid YAML ({error.problem}); {_advice(error.problem or '')}"
        ) from None
    except RecursionError:
        raise KnowledgeError(
            f"{path}:1: the file is nested too deeply; a product file has four levels"
        ) from None
    except Exception as error:  # PyYAML's constructors raise almost any error on values such as `!!int ""`
        raise KnowledgeError(f"{path}:1: this is not valid YAML ({error}); mend the file") from None
    finally:
        loader.dispose()
    return Source(path, value, text, lines)


def texts_of(value: object, where: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Every text of a parsed file, with its path from the root."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts_of(item, (*where, key))
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from texts_of(item, (*where, position))


def _advice(problem: str) -> str:
    """What to do about a problem that the YAML library found, by its words."""
    return next((told for words, told in _ADVICE.items() if words in problem), "mend the line")


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise KnowledgeError(
                f"{path}:1: the file has {size:,} bytes, more than {MAX_FILE_BYTES:,}; "
                "a product file is a few pages of text, so split or shorten it"
            )
        data = path.read_bytes()
    except OSError as error:
        raise KnowledgeError(f"{path}: the file cannot be read ({error.strerror}); check the path") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise KnowledgeError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        ) from None


def _walk(node: yaml.Node, where: KeyPath, lines: dict[KeyPath, int], path: Path) -> None:
    """Record the line of every value; refuse duplicate keys and files that expand out of proportion."""
    if len(lines) > _MAX_NODES:
        raise KnowledgeError(
            f"{path}:1: the file expands to more than {_MAX_NODES:,} values; remove the anchors"
        )
    lines.setdefault(where, node.start_mark.line + 1)
    _refuse_odd_values(node, where, path)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, child in node.value:
            name = str(key.value)
            line = key.start_mark.line + 1
            if key.tag not in (f"{_YAML}str", f"{_YAML}merge"):
                raise KnowledgeError(
                    f"{path}:{line}: a field name stands here that YAML does not read as text; correct it"
                )
            if name in seen:
                raise KnowledgeError(f"{path}:{line}: the field {name!r} stands here twice; keep one")
            seen.add(name)
            lines[(*where, name)] = line
            _walk(child, (*where, name), lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            _walk(child, (*where, position), lines, path)


def _refuse_odd_values(node: yaml.Node, where: KeyPath, path: Path) -> None:
    """Refuse kinds of values that no field has, and characters that a terminal or a path cannot hold."""
    place, field = f"{path}:{node.start_mark.line + 1}", ".".join(str(part) for part in where)
    if node.tag not in _KINDS:
        kind = node.tag.removeprefix(_YAML)
        raise KnowledgeError(
            f"{place}: this is not valid YAML for a product file ({field} is a {kind!r}); write plain text"
        )
    odd = _UNPRINTABLE.search(node.value) if isinstance(node, yaml.ScalarNode) else None
    if odd:
        raise KnowledgeError(f"{place}: {field} holds the character U+{ord(odd[0]):04X}; remove it")
