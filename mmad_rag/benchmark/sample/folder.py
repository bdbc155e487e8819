"""The folder that a sample is written to, with a list of its files that `sha256sum -c` can check."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mmad_rag.errors import DataError, InputError
from mmad_rag.folders import entries_in
from mmad_rag.records import Json

SAMPLE_NAME = "mmad_rag sample"
ABOUT = "sample.json"
SUMS = "SHA256SUMS"


class SampleFolder:
    """An empty folder that is being filled; an earlier sample is removed from it first.

    Raises:
        DataError: the path is a file, the folder holds something that is not a sample, or it cannot be
            written.
    """

    def __init__(self, path: Path) -> None:
        with _writing(path):
            _make_room(path)
        self._path = path
        self._sums: dict[str, str] = {}

    def write(self, name: str, data: bytes) -> str:
        """Store a file under a relative name and return its SHA-256 (hex).

        The list of files is kept up to date, so that even an interrupted sample can be replaced.

        Raises:
            DataError: it cannot be written, for instance because the disk is full.
        """
        digest = hashlib.sha256(data).hexdigest()
        with _writing(self._path):
            if self._sums.setdefault(name, "") == "":
                with (self._path / SUMS).open("a", encoding="utf-8") as sums:
                    sums.write(f"{digest}  {name}\n")
            self._sums[name] = digest
            target = self._path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        return digest

    def describe(self, about: Json) -> None:
        """Write `sample.json`, which marks the folder as a sample; call it first and last."""
        self.write(ABOUT, (json.dumps({"name": SAMPLE_NAME} | about, indent=1) + "\n").encode())

    def close(self) -> None:
        """Write the list of files anew, sorted."""
        lines = [f"{digest}  {name}\n" for name, digest in sorted(self._sums.items())]
        with _writing(self._path):
            (self._path / SUMS).write_text("".join(lines), encoding="utf-8")


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn file errors into one DataError."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"the sample cannot be written to {path} ({error.strerror}); mend that or name another folder"
        ) from error


def _make_room(path: Path) -> None:
    """Create the folder, or remove an earlier sample's files; refuse a folder that holds anything else."""
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; name a folder for the sample")
    path.mkdir(parents=True, exist_ok=True)
    try:
        if not entries_in(path):
            return
    except InputError as error:
        raise DataError(str(error)) from error
    try:
        known = json.loads((path / ABOUT).read_text(encoding="utf-8"))["name"] == SAMPLE_NAME
        sums = (path / SUMS).read_text(encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError):
        known, sums = False, ""
    if not known:
        raise DataError(
            f"{path} is not empty and holds no earlier sample; name a new folder or empty this one"
        )
    for line in sums.splitlines():
        name = PurePosixPath(line.partition("  ")[2])
        if not name.is_absolute() and ".." not in name.parts:
            (path / name).unlink(missing_ok=True)
    (path / SUMS).unlink()
