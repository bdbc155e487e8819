"""Find the files of a transformers checkpoint, in a folder or through the model hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mmad_rag.encoders.hub import quick_hub
from mmad_rag.encoders.spec import expand
from mmad_rag.errors import ModelActionError, SpecError
from mmad_rag.files import first_line
from mmad_rag.folders import files_in, suffix_of

_CHUNK = 1 << 20
_WEIGHTS = "*.safetensors"
_SAFE = (".safetensors",)
_READ = ("*.json", _WEIGHTS, "*.jinja", "*.txt", "*.model")
"""Patterns of the files that are read: no code, and no weights in a format that could hold code."""
_NOT_FETCHED = ["*/*", "consolidated*"]
"""Patterns of files that are not downloaded: some repositories hold their weights again in another layout."""
_SHOWN = 16
_HEADER_DTYPES = {"F32": "float32", "BF16": "bfloat16", "F16": "float16"}
"""Name of a number format in safetensors -> in torch."""
_USE_HUB = "check the name behind transformers: (it is OWNER/NAME of the model hub, or @FOLDER)"
_OR_LOCAL = "or name a folder that holds the checkpoint, transformers:@FOLDER"


@dataclass(frozen=True, slots=True)
class CheckpointFiles:
    """The folder of a checkpoint and what identifies it."""

    folder: Path
    """The folder, which holds config, weights, tokenizer and processor."""
    name: str
    """`OWNER/NAME` of the model hub, or `@` with the folder's own name."""
    revision: str
    """`revision=` with the hub's commit, or `files=` with a digest; 16 hex digits each."""


def find_files(name: str, *, weights: bool = True) -> CheckpointFiles:
    """Find `OWNER/NAME`, `OWNER/NAME@REVISION` or `@FOLDER`; files of the hub are downloaded once.

    Args:
        name: The part of the spec after `transformers:`.
        weights: Whether to download weights; without them the checkpoint can be identified all the same.

    Raises:
        SpecError: a name or a revision is empty.
        ModelActionError: the checkpoint does not exist or cannot be downloaded.
    """
    repository, at, rest = name.partition("@")
    if at and not rest:
        raise SpecError(
            f"the model spec 'transformers:{name}' ends in @; write the folder or revision after it"
        )
    if not repository:
        return _local(expand(rest))
    folder = _fetch(repository, rest or None, weights=weights)
    _check(folder, f"transformers:{name}", weights=weights)
    return CheckpointFiles(folder, repository, f"revision={folder.name[:_SHOWN]}")


def _local(folder: Path) -> CheckpointFiles:
    if not folder.is_dir():
        raise ModelActionError(f"there is no folder {folder}; check the path behind transformers:@")
    _check(folder, str(folder), weights=True)
    return CheckpointFiles(folder, f"@{folder.resolve().name}", f"files={_digest(folder)[:_SHOWN]}")


def weights_dtype(files: CheckpointFiles, dtype: str) -> str:
    """The number format that weights will have when they are loaded, found without loading them.

    Args:
        files: The files of the checkpoint.
        dtype: The requested format; `auto` takes the configuration's, else that of the weights on disk, else
            stays `auto`.
    """
    if dtype != "auto":
        return dtype
    try:
        config = json.loads((files.folder / "config.json").read_bytes())
        found = config.get("dtype") or config.get("torch_dtype")
        if isinstance(found, str):
            return found.removeprefix("torch.")
        return next(
            (_HEADER_DTYPES[kind] for kind in _stored_dtypes(files.folder) if kind in _HEADER_DTYPES), "auto"
        )
    except (OSError, ValueError, AttributeError):
        return "auto"  # loading gives a better error message


def _stored_dtypes(folder: Path) -> Iterator[str]:
    """The number formats in the header of the first file of weights: eight bytes of length, then JSON."""
    for path in files_in(folder, _SAFE)[:1]:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        yield from (str(entry.get("dtype")) for entry in header.values())


def _check(folder: Path, said: str, *, weights: bool) -> None:
    """Check that files are present, because the loading code's message has ten lines on other formats."""
    if not (folder / "config.json").is_file():
        raise ModelActionError(
            f"{said} has no config.json, so it is not a transformers checkpoint; {_USE_HUB}"
        )
    if weights and not files_in(folder, _SAFE):
        raise ModelActionError(
            f"{said} has no weights in .safetensors files, and other files could run code; "
            "save the model again with save_pretrained(), or take a checkpoint that has them"
        )


def _digest(folder: Path) -> str:
    """SHA-256 over names and contents of all files that are read."""
    digest = hashlib.sha256()
    for path in files_in(folder, {suffix_of(Path(pattern)) for pattern in _READ}):
        found = path.stat()
        digest.update(
            f"{path.name} {_file_digest(path.resolve(), found.st_size, found.st_mtime_ns)}\n".encode()
        )
    return digest.hexdigest()


@lru_cache(maxsize=1024)  # weights are gigabytes, and each arm and set of options needs their digest
def _file_digest(path: Path, _size: int, _changed_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(repository: str, revision: str | None, *, weights: bool) -> Path:
    """Download a snapshot; returns its folder, whose name is the commit."""
    from huggingface_hub import errors, snapshot_download

    said = f"transformers:{repository}" + (f"@{revision}" if revision else "")
    wanted = [pattern for pattern in _READ if weights or pattern != _WEIGHTS]
    try:
        with quick_hub():
            return Path(
                snapshot_download(
                    repository, revision=revision, allow_patterns=wanted, ignore_patterns=_NOT_FETCHED
                )
            )
    except errors.HFValidationError as error:
        raise SpecError(
            f"{said} cannot be a name of the model hub ({first_line(error)}); {_USE_HUB}"
        ) from None
    except errors.GatedRepoError:
        raise ModelActionError(
            f"{said} is given only to those who agreed to its terms; "
            f"agree on its page and set HF_TOKEN, {_OR_LOCAL}"
        ) from None
    except errors.RevisionNotFoundError:
        raise ModelActionError(
            f"{said} has no such revision; name a commit, tag or branch that it has"
        ) from None
    except errors.RepositoryNotFoundError:
        raise ModelActionError(
            f"the model hub has no {said}, or not for you; {_USE_HUB}, and set HF_TOKEN"
        ) from None
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled):
        raise ModelActionError(
            f"{said} is not in the cache, and the model hub cannot be reached; "
            f"connect to the network once, {_OR_LOCAL}"
        ) from None
    except Exception as error:  # the hub's client raises errors of its HTTP library, and the disk may be full
        raise ModelActionError(
            f"{said} could not be fetched ({first_line(error)}); "
            f"try again, make room on the disk, {_OR_LOCAL}"
        ) from error
