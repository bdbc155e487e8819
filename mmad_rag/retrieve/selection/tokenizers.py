"""Count tokens with a model's own tokenizer if it is installed or cached; nothing is ever downloaded."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from mmad_rag.encoders.spec import expand
from mmad_rag.errors import SpecError
from mmad_rag.files import first_line
from mmad_rag.words.token_estimate import estimate_tokens

_CACHE_VARIABLES = ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR")
_TABLES = {
    "cl100k_base": (
        "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    "o200k_base": (
        "fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
}
"""Encoding -> the name of its table in a cache folder of tiktoken, and the SHA-256 of the table.

tiktoken downloads a table that it does not find. It is therefore called only if the table is in the cache.
"""
_INSTALLED = ("llama_index", "core", "_static", "tiktoken_cache")
"""A package that contains the tables: its name, then the folders below it."""
_HUB_NAME = re.compile(r"(?!.*(?:\.\.|--))[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
"""The form `OWNER/NAME` of a checkpoint on the model hub."""
_SAME_TABLE = {"o200k_harmony": "o200k_base"}
_ENVIRONMENT = threading.Lock()


@dataclass(frozen=True, slots=True)
class NamedCounter:
    """A `TokenCounter` with a name."""

    name: str
    """`estimate`, an encoding of tiktoken, or `tokenizer:` with the start of the file's SHA-256."""
    count: Callable[[str], int] = field(repr=False)
    """Counts the tokens of a text."""

    @property
    def setting(self) -> str:
        """How an identity names the counter: `,counter=NAME`; empty for the estimate, the default."""
        return "" if self is ESTIMATE else f",counter={self.name}"

    def __call__(self, text: str) -> int:
        """Tokens of a text."""
        return self.count(text)


ESTIMATE = NamedCounter("estimate", estimate_tokens)
"""The counter that needs no tokenizer; see `estimate_tokens` for its error."""


def token_counter(model: str) -> NamedCounter:
    """The best available counter for a model; nothing is downloaded.

    Args:
        model: A model's name with or without its provider, `openai:gpt-4o` or `gpt-4o`; a checkpoint,
            `transformers:@FOLDER` or `transformers:OWNER/NAME@REVISION`; or `@FILE`, a `tokenizer.json` of
            the tokenizers library, which lies beside the weights of an open model.

    Returns:
        The tokenizer of the file, of the checkpoint's folder, or of the checkpoint in the cache of the model
        hub; else tiktoken's encoding of the model when its table is cached (in tiktoken's own cache, or as
        installed with llama-index-core); else `ESTIMATE`. The counter's name says which.

    Raises:
        SpecError: the file does not exist or is not a tokenizer.

    Example:
        >>> token_counter("my-own-model").name
        'estimate'
    """
    if model.startswith("@"):
        return _of_file(Path(model[1:]))
    provider, colon, rest = model.partition(":")
    name = rest if colon else model
    if provider == "transformers":
        file = checkpoint_tokenizer(name)
        return ESTIMATE if file is None else _of_file(file)
    encoding = _encoding_name(model) or _encoding_name(name) or _encoding_name(name.rpartition("/")[2])
    folder = None if encoding is None else _folder_with_table(_SAME_TABLE.get(encoding, encoding))
    if encoding is not None and folder is not None:
        return _of_encoding(encoding, folder)
    file = None if encoding is not None or name.startswith("@") else checkpoint_tokenizer(name)
    return ESTIMATE if file is None else _of_file(file)


def checkpoint_tokenizer(name: str) -> Path | None:
    """The `tokenizer.json` of a checkpoint that is available locally; nothing is downloaded.

    Args:
        name: `@FOLDER`, or `OWNER/NAME` of the model hub with or without `@REVISION`.

    Returns:
        The file in the folder, or in the cache of the model hub; None where there is none.
    """
    if name.startswith("@"):
        file = expand(name[1:]) / "tokenizer.json"
        return file if file.is_file() else None
    repository, _, revision = name.partition("@")
    if not _HUB_NAME.fullmatch(repository):
        return None
    from huggingface_hub import errors, try_to_load_from_cache

    try:
        found = try_to_load_from_cache(repository, "tokenizer.json", revision=revision or None)
    except (errors.HFValidationError, ValueError, OSError):
        return None
    return Path(found) if isinstance(found, str) else None


def _of_file(path: Path) -> NamedCounter:
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return _of_unchanged_file(path.resolve(), found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=8)
def _of_unchanged_file(path: Path, _size: int, _changed_ns: int) -> NamedCounter:
    """The file's tokenizer, loaded once while the file is unchanged: large ones take a second."""
    from tokenizers import Tokenizer

    try:
        data = path.read_bytes()
        tokenizer = Tokenizer.from_buffer(data)
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:  # the library raises bare exceptions
        reason = first_line(error)
        raise SpecError(
            f"{path} is not a tokenizer ({reason}); give a tokenizer.json of the tokenizers library"
        ) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(text: str) -> int:
        return len(tokenizer.encode(_clean(text), add_special_tokens=False).ids)

    return NamedCounter(f"tokenizer:{hashlib.sha256(data).hexdigest()[:16]}", count)


def _unreadable(path: Path, error: OSError) -> SpecError:
    return SpecError(
        f"the tokenizer {path} cannot be read ({error.strerror}); give the path of a tokenizer.json"
    )


def _encoding_name(model: str) -> str | None:
    """The encoding that tiktoken names for a model; None when tiktoken is absent or does not know it."""
    if importlib.util.find_spec("tiktoken") is None:
        return None
    from tiktoken.model import encoding_name_for_model

    try:
        return str(encoding_name_for_model(model))
    except KeyError:
        return None


def _folder_with_table(encoding: str) -> Path | None:
    """The first cache folder that holds the encoding's complete table."""
    if encoding not in _TABLES:
        return None
    name, digest = _TABLES[encoding]
    for folder in _cache_folders():
        table = folder / name
        if table.is_file() and _digest(table, table.stat().st_size, table.stat().st_mtime_ns) == digest:
            return folder
    return None


@lru_cache(maxsize=8)
def _digest(path: Path, _size: int, _changed_ns: int) -> str:
    """SHA-256 (hex) of a file, computed once while the file stays as it is: tables have megabytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _cache_folders() -> Iterator[Path]:
    """The folders that tiktoken itself searches, then the one installed with llama-index-core."""
    own = next((os.environ[name] for name in _CACHE_VARIABLES if name in os.environ), None)
    if own is None:
        yield Path(tempfile.gettempdir(), "data-gym-cache")
    elif own:
        yield Path(own)
    package, *folders = _INSTALLED
    installed = importlib.util.find_spec(package)
    for place in (installed.submodule_search_locations or ()) if installed else ():
        yield Path(place, *folders)


@lru_cache(maxsize=8)
def _of_encoding(name: str, folder: Path) -> NamedCounter:
    """A counter by an encoding, loaded from a folder that holds its table."""
    import tiktoken

    with _cache_at(folder):
        encoding = tiktoken.get_encoding(name)

    def count(text: str) -> int:
        return len(encoding.encode_ordinary(_clean(text)))

    return NamedCounter(name, count)


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    """Let tiktoken use a folder as its cache, which it reads from the environment only."""
    variable = _CACHE_VARIABLES[0]
    with _ENVIRONMENT:
        before = os.environ.get(variable)
        os.environ[variable] = str(folder)
        try:
            yield
        finally:
            if before is None:
                del os.environ[variable]
            else:
                os.environ[variable] = before


def _clean(text: str) -> str:
    """The text with question marks for lone surrogates, which tokenizers refuse, as in a request."""
    return text.encode("utf-8", "replace").decode("utf-8")
