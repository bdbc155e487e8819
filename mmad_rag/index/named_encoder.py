"""Decide whether the encoder that an index names may be loaded without being named by the user.

An index may come from elsewhere, and its manifest names the encoder that has to be loaded to use it. What a
manifest names is loaded only as far as that fetches nothing and reaches no file that the user did not put
there; the rest has to be named by the user, by `--encoder`, `encoder=` or MMAD_RAG_TRUST_ENCODERS.

The manifest names                                  | what happens
----------------------------------------------------|------------------------------------------
`builtin:`, or one of the two default encoders      | it is loaded; a default one is fetched if need be
a published model of the hub                        | it is loaded from this machine's cache
a file or folder within the working folder          | it is loaded
another file or folder (absolute, `~`, `..`, link)  | the user has to name it
a plain name of an installed package (`acme:small`) | it is loaded: the user has installed that code
an address or a path for an installed package       | the user has to name it
a spec that this process has loaded by name before  | it is loaded
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmad_rag.encoders import DEFAULT_ENCODER
from mmad_rag.encoders.default_text import DEFAULT_TEXT_ENCODER
from mmad_rag.encoders.hub import only_cached
from mmad_rag.encoders.load import was_loaded
from mmad_rag.encoders.spec import PROVIDERS, EncoderSpec, expand, parse_spec
from mmad_rag.errors import EncoderError
from mmad_rag.index.manifest import EncoderStamp

VARIABLE = "MMAD_RAG_TRUST_ENCODERS"
"""The environment variable that lists, with commas between, the specs that any index may name; `*` allows
all."""

_PLAIN = re.compile(r"\w[\w.-]*", re.ASCII)
_DRIVE = re.compile(r"[A-Za-z]:[\\/]|\\\\")


@contextmanager
def chosen_by_index(stamp: EncoderStamp, *, option: str = "encoder") -> Iterator[None]:
    """Load the encoder that a manifest names inside this block; nothing is fetched but a default encoder.

    Args:
        stamp: The manifest's section about the encoder.
        option: The option by which the user names an encoder, for the message.

    Raises:
        EncoderError: the user has to name the encoder first.
    """
    spec = parse_spec(stamp.spec)
    if _is_trusted(spec):
        yield
        return
    if spec.provider not in PROVIDERS and not (spec.path is None and _PLAIN.fullmatch(spec.name)):
        raise _untrusted(spec, "gives an address or a path to the code of an installed package", option)
    files = tuple(_files(spec))
    for file in files:
        if not _is_within_working_folder(file):
            raise _untrusted(spec, "is a file or folder outside the working folder", option)
    with only_cached():
        try:
            yield
        except EncoderError as error:
            if files:
                raise
            raise _untrusted(
                spec, f"could not be loaded from this machine alone ({error})", option
            ) from error


def _is_trusted(spec: EncoderSpec) -> bool:
    listed = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    return (
        spec.provider == "builtin"
        or spec.text in (DEFAULT_ENCODER, DEFAULT_TEXT_ENCODER)
        or was_loaded(spec.text)
        or spec.text in listed
        or "*" in listed
    )


def _files(spec: EncoderSpec) -> Iterator[str]:
    """The files and folders that a spec names; sentence-transformers takes a name for a folder if there is
    one."""
    if spec.path is not None:
        yield str(spec.path)
    if spec.name.endswith(".json") or _looks_like_a_path(spec.name) or Path(spec.name or ".").is_dir():
        yield from (spec.name,) if spec.name else ()


def _looks_like_a_path(name: str) -> bool:
    return name.startswith(("/", "~", ".")) or "\\" in name or ".." in name or bool(_DRIVE.match(name))


def _is_within_working_folder(file: str) -> bool:
    path = expand(file)
    if path.is_absolute() or ".." in re.split(r"[\\/]", file) or _DRIVE.match(file):
        return False
    return path.resolve().is_relative_to(Path.cwd().resolve())


def _untrusted(spec: EncoderSpec, why: str, option: str) -> EncoderError:
    flag = "--encoder" if option == "encoder" else None
    ways = [f"`{flag} '{spec.text}'`"] if flag else []
    return EncoderError(
        f"the index names the encoder {spec.text}, which {why}; an index does not choose what is fetched or "
        f"run. If you trust it, name it: {', '.join([*ways, f'{option}= in Python'])}, or {VARIABLE} in the "
        "environment"
    )
