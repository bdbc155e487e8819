"""Download a data set from a Hugging Face hub into a folder."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mmad_rag.benchmark.data.mmad import FILE_NAME
from mmad_rag.benchmark.dataset.download_plan import (
    bytes_left,
    check_space,
    is_question_file,
    keep_manifest,
    lacking_files,
    wanted_files,
)
from mmad_rag.benchmark.dataset.download_progress import DownloadCounter, DownloadProgress
from mmad_rag.benchmark.dataset.fetch import Fetching, StoppedError, cannot_write, fetch_file
from mmad_rag.benchmark.dataset.file_hash import HashedFile
from mmad_rag.benchmark.dataset.hub import Hub
from mmad_rag.benchmark.dataset.manifest import data_lock
from mmad_rag.errors import DataError

DATASET = "jiang-cc/MMAD"
"""MMAD on the public hub."""
REVISION = "c4ed190dcb530f2f673ab293e575ad32054bb3cf"
"""The commit with 39,670 questions."""
REPORTED_SHA256 = "639343b491bc67b2abb3c5d719f221ce27f83b2ed97948f4e88055aaa31f1c1e"
"""SHA-256 of that commit's mmad.json as others report it; not verified."""


@dataclass(frozen=True, slots=True)
class Download:
    """A download that has come to its end: every file is there with the right hash."""

    folder: Path
    """The data folder."""
    dataset: str
    """`owner/name`."""
    revision: str
    """Commit."""
    files: int
    """Wanted."""
    kept: int
    """Of those: they were there already."""
    bytes_fetched: int
    """In this call."""
    questions_sha256: str | None
    """SHA-256 of mmad.json, where it was wanted."""
    as_reported: bool | None
    """Whether that is `REPORTED_SHA256`; None for other data, or another revision."""
    archives: tuple[str, ...]
    """Zip files among those wanted; what is in them is not usable before it is unpacked."""


def download_data(
    folder: Path,
    *,
    dataset: str = DATASET,
    revision: str = REVISION,
    only: Sequence[str] = (),
    questions_only: bool = False,
    strict: bool = False,
    replace: bool = False,
    concurrency: int = 4,
    endpoint: str | None = None,
    token: str | None = None,
    retry_wait_s: float = 1.0,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> Download:
    """Fetch a revision's files; after a kill at any moment, the same call goes on where it stopped.

    A file gets its name when it is whole and its hash is the one that the hub lists. What every file must be
    is kept in `hashes.json`, before the first one comes.

    Args:
        folder: Where the data goes; made if need be.
        dataset: `owner/name` on the hub.
        revision: Commit, branch or tag.
        only: Globs on paths; a file is wanted when one of them fits. None given: all are wanted.
        questions_only: Fetch mmad.json and domain_knowledge.json, no images.
        strict: Refuse an mmad.json whose hash is not the one that others report for this revision.
        replace: Fetch a file again that is there with other bytes; by default it is refused.
        concurrency: Files fetched at a time, 1 to 32.
        endpoint: The hub's address; by default HF_ENDPOINT, else the public hub.
        token: Who asks; by default HF_TOKEN or a stored login.
        retry_wait_s: Before a broken connection is tried again; doubled each time.
        progress: Called as files are checked and bytes come, by one thread at a time.

    Raises:
        DataError: the hub refuses or cannot be reached, the disk is too small or full, a hash is wrong, or
            the folder holds another revision or other bytes. What has come is kept.
    """
    if not 1 <= concurrency <= 32:
        raise DataError(f"{concurrency} files cannot be fetched at a time; give 1 to 32")
    with Hub(dataset, endpoint=endpoint, token=token, retry_wait_s=retry_wait_s) as hub:
        commit = hub.commit(revision)
        wanted = wanted_files(hub.files(commit), only, questions_only=questions_only, dataset=dataset)
        with data_lock(folder) as work:
            keep_manifest(folder, dataset, commit, wanted)
            counter = DownloadCounter(progress)
            lacking = lacking_files(folder, wanted, replace=replace, concurrency=concurrency, counter=counter)
            left = bytes_left(work, lacking)
            check_space(folder, left)
            counter.fetching(lacking)
            shared = Fetching(
                hub, commit, folder, work, threading.Event(), counter.came, counter.waits, retry_wait_s
            )
            first = [file for file in lacking if is_question_file(file.path)]
            _fetch_all(first, shared, concurrency, counter)
            sha256, as_reported = _questions(folder, wanted, dataset, commit)
            if strict and not as_reported:
                _refuse_unreported(folder / FILE_NAME, sha256, as_reported)
            _fetch_all([file for file in lacking if file not in first], shared, concurrency, counter)
    archives = tuple(file.path for file in wanted if file.path.lower().endswith(".zip"))
    kept = len(wanted) - len(lacking)
    return Download(folder, dataset, commit, len(wanted), kept, left, sha256, as_reported, archives)


def _fetch_all(
    files: Sequence[HashedFile], shared: Fetching, concurrency: int, counter: DownloadCounter
) -> None:
    """Fetch files side by side; after the first error, or an interrupt, nothing new is begun."""

    def one(file: HashedFile) -> None:
        fetch_file(file, shared)
        counter.one_file()

    with ThreadPoolExecutor(concurrency) as pool:
        futures = [pool.submit(one, file) for file in files]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            shared.stop.set()
            pool.shutdown(cancel_futures=True)
            # The event is set while threads end; a later group of files begins with it clear.
            shared.stop.clear()
    errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
    for error in errors:
        if not isinstance(error, StoppedError):
            raise error


def _questions(
    folder: Path, wanted: Iterable[HashedFile], dataset: str, commit: str
) -> tuple[str | None, bool | None]:
    """SHA-256 of mmad.json, with whether it is the reported one."""
    if FILE_NAME not in {file.path for file in wanted}:
        return None, None
    try:
        sha256 = hashlib.sha256((folder / FILE_NAME).read_bytes()).hexdigest()
    except OSError as error:
        raise cannot_write(error, folder, FILE_NAME) from error
    pinned = (dataset, commit) == (DATASET, REVISION)
    return sha256, sha256 == REPORTED_SHA256 if pinned else None


def _refuse_unreported(path: Path, sha256: str | None, as_reported: bool | None) -> NoReturn:
    if as_reported is None:
        raise DataError(
            f"--strict compares {FILE_NAME} of {DATASET} at {REVISION} with what others report; "
            "for other data, or without that file, leave it out"
        )
    raise DataError(
        f"{path} has SHA-256 {sha256}, others report {REPORTED_SHA256}; "
        "leave --strict out to use it all the same"
    )
