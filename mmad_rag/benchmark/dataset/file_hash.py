"""Hash files the way a Hugging Face hub states their hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

_BLOCK = 1 << 20
"""Number of bytes read at a time."""


class HashKind(StrEnum):
    """The ways in which a file's hash is computed."""

    SHA256 = "sha256"
    """SHA-256 of the bytes, which a hub lists for large files."""
    GIT_BLOB = "git-blob-sha1"
    """SHA-1 of `blob <size>`, a zero byte, and the bytes: git's name for a file, which a hub lists for small
    ones."""


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file's path with the size and hash that it must have."""

    path: str
    """Path relative to the file's folder, with forward slashes."""
    size: int
    """Size in bytes."""
    kind: HashKind
    """How `digest` is computed."""
    digest: str
    """The hash in hex, in lower case."""


def hash_begun(file: HashedFile) -> _Hash:
    """A new hash object of the file's kind, to be updated with the file's bytes."""
    if file.kind is HashKind.SHA256:
        return hashlib.sha256()
    begun = hashlib.sha1(usedforsecurity=False)
    begun.update(f"blob {file.size}\0".encode())
    return begun


def blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes, block by block."""
    with path.open("rb") as opened:
        while block := opened.read(_BLOCK):
            yield block


def fits(path: Path, file: HashedFile) -> bool:
    """Whether the file at `path` has the size and the hash that `file` states.

    Raises:
        OSError: it cannot be read.

    Example:
        >>> import hashlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a"
        ...     _ = path.write_bytes(b"hello")
        ...     fits(path, HashedFile("a", 5, HashKind.GIT_BLOB, "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"))
        True
    """
    if path.stat().st_size != file.size:
        return False
    found = hash_begun(file)
    for block in blocks(path):
        found.update(block)
    return found.hexdigest() == file.digest
