"""Decide what a download has to fetch."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

from mmad_rag.benchmark.data.mmad import FILE_NAME
from mmad_rag.benchmark.dataset.download_progress import DownloadCounter
from mmad_rag.benchmark.dataset.fetch import part_of, target_of
from mmad_rag.benchmark.dataset.file_hash import HashedFile, fits
from mmad_rag.benchmark.dataset.manifest import DataManifest, read_manifest, with_files, write_manifest
from mmad_rag.errors import DataError

QUESTION_FILES = (FILE_NAME, "domain_knowledge.json")
"""Names of the files that hold questions and published knowledge; they are fetched first."""


def is_question_file(path: str) -> bool:
    """Whether a path is that of one of `QUESTION_FILES`."""
    return path.rsplit("/", 1)[-1] in QUESTION_FILES


def wanted_files(
    files: Sequence[HashedFile], only: Sequence[str], *, questions_only: bool, dataset: str
) -> list[HashedFile]:
    """The files that match one of the globs, or all files.

    Raises:
        DataError: no file matches.
    """
    chosen = [file for file in files if not only or any(fnmatchcase(file.path, glob) for glob in only)]
    if questions_only:
        chosen = [file for file in chosen if is_question_file(file.path)]
    if not chosen:
        shown = ", ".join(sorted({file.path.split("/")[0] for file in files})[:12]) or "no files"
        raise DataError(f"none of the files of {dataset} is wanted; it holds {shown}")
    return chosen


def keep_manifest(folder: Path, dataset: str, commit: str, wanted: Iterable[HashedFile]) -> None:
    """Add the wanted files to the folder's manifest.

    Raises:
        DataError: the folder holds another revision, or cannot be written.
    """
    found = read_manifest(folder)
    if found is not None and (found.dataset, found.revision) != (dataset, commit):
        raise DataError(
            f"{folder} holds {found.dataset} at revision {found.revision}, not {dataset} at {commit}; "
            "give another folder"
        )
    manifest = found or DataManifest(dataset, commit, MappingProxyType({}))
    write_manifest(folder, with_files(manifest, wanted))


def lacking_files(
    folder: Path, wanted: Sequence[HashedFile], *, replace: bool, concurrency: int, counter: DownloadCounter
) -> list[HashedFile]:
    """The files that have to be fetched; every file that is there is read once.

    Raises:
        DataError: a file is there with other bytes and must not be replaced, or cannot be read.
    """
    lacking: list[HashedFile] = []
    changed: list[str] = []

    def state(file: HashedFile) -> bool | None:
        target = target_of(folder, file.path)
        try:
            return fits(target, file) if target.exists() else None
        except OSError as error:
            raise DataError(
                f"{target} cannot be read ({error.strerror}); check its permissions, or move it away"
            ) from error

    with ThreadPoolExecutor(concurrency) as pool:
        for done, (file, right) in enumerate(zip(wanted, pool.map(state, wanted), strict=True), start=1):
            counter.checked(done, len(wanted))
            if right:
                continue
            lacking.append(file)
            if right is False:
                changed.append(file.path)
    if changed and not replace:
        more = f" and {len(changed) - 5} more" if len(changed) > 5 else ""
        raise DataError(
            f"{folder} holds other bytes than the hub lists in {', '.join(changed[:5])}{more}; "
            "move them away, or give --replace to fetch them again"
        )
    return lacking


def bytes_left(work: Path, files: Iterable[HashedFile]) -> int:
    """Number of bytes of these files that are still to be fetched."""
    left = 0
    for file in files:
        part = part_of(work, file)
        there = part.stat().st_size if part.exists() else 0
        left += file.size - (there if there <= file.size else 0)
    return left


def check_space(folder: Path, needed: int) -> None:
    """Refuse a download that the disk has no room for.

    Raises:
        DataError: the disk has too little free space.
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{needed:,} bytes are still to be fetched, the disk of {folder} has {free:,} free; free space, "
            "give another folder, or fetch less with --only or --questions-only"
        )
