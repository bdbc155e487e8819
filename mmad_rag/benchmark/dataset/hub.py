"""Ask a Hugging Face hub about one data set.

Three of the hub's endpoints are used: a revision's commit, the tree of its files with their hashes, and the
bytes of a file from any position onwards. The hub's own client (2.4) discards an unfinished file when its
process ends, so it cannot continue in the middle of an archive of many gigabytes.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from mmad_rag.benchmark.dataset.file_hash import HashedFile, HashKind
from mmad_rag.benchmark.dataset.hub_errors import HubRetryError, refusal, unreachable
from mmad_rag.benchmark.dataset.manifest import checked_file
from mmad_rag.errors import DataError
from mmad_rag.network import usable_settings

if TYPE_CHECKING:
    import httpx

ENDPOINT = "https://huggingface.co"
"""Address of the public hub."""

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_RANGE = re.compile(r"bytes (\d+)-")
_MAX_PAGE = 64 * 1024 * 1024
"""Largest number of bytes in one page of a listing."""
_MAX_FILES = 1_000_000
_TRIES = 4
"""Number of requests for one page of a listing."""
_TIMEOUT_S = 30.0
"""Seconds to wait for a connection, or between two pieces of a listing."""
_FILE_TIMEOUT_S = 10.0
"""Seconds to wait between two pieces of a file: retrying costs little, and no interrupt waits longer."""


class Hub:
    """One data set on a hub; a context manager that several threads may use.

    Args:
        dataset: Name of the data set, `owner/name`.
        endpoint: The hub's address; by default what HF_ENDPOINT says, else the public hub.
        token: Access token; by default HF_TOKEN, or the one that the hub's own client keeps after a login. It
            is sent to the hub only, never to an address that the hub redirects to.
        retry_wait_s: Seconds before a listing is requested again; doubled each time.

    Raises:
        DataError: the name is not a data set's, or HF_HUB_OFFLINE forbids requests.
    """

    def __init__(
        self,
        dataset: str,
        *,
        endpoint: str | None = None,
        token: str | None = None,
        retry_wait_s: float = 1.0,
    ) -> None:
        import httpx

        if not _NAME.fullmatch(dataset):
            raise DataError(f"{dataset!r} is not a name of a data set; give owner/name")
        if os.environ.get("HF_HUB_OFFLINE", "").strip().upper() in {"1", "ON", "YES", "TRUE"}:
            raise DataError("HF_HUB_OFFLINE forbids to ask a hub; unset it to download data")
        self.dataset = dataset
        self._retry_wait_s = retry_wait_s
        self.endpoint = (endpoint or os.environ.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
        headers = {"Accept-Encoding": "identity"}
        if token := token or _stored_token():
            headers["Authorization"] = f"Bearer {token}"
        with usable_settings(DataError):
            self._client = httpx.Client(headers=headers, follow_redirects=True, timeout=_TIMEOUT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def commit(self, revision: str) -> str:
        """The commit that a revision (commit, branch or tag) stands for.

        Raises:
            DataError: there is no such revision, or the hub refuses; `HubRetryError` if it gave no whole
                answer.
        """
        url = f"{self.endpoint}/api/datasets/{self.dataset}/revision/{quote(revision, safe='')}"
        info, _ = self._json(url, revision)
        found = info.get("sha") if isinstance(info, dict) else None
        if not isinstance(found, str) or not _COMMIT.fullmatch(found):
            raise DataError(f"{url} names no commit; check HF_ENDPOINT")
        if _COMMIT.fullmatch(revision) and found != revision:
            raise DataError(f"{url} answers with another commit, {found}; check HF_ENDPOINT")
        return found

    def files(self, commit: str) -> tuple[HashedFile, ...]:
        """Every file of a commit.

        Raises:
            DataError: the answer is not a listing, names a file twice or a path that leaves the folder; or
                the request fails as in `commit`.
        """
        url: str | None = (
            f"{self.endpoint}/api/datasets/{self.dataset}/tree/{commit}?recursive=true&limit=1000"
        )
        found: dict[str, HashedFile] = {}
        seen: set[str] = set()
        while url is not None:
            if url in seen:
                raise DataError(f"the listing of {self.dataset} goes on at {url} again; check HF_ENDPOINT")
            seen.add(url)
            page, following = self._json(url, commit)
            for file in _listed(page, f"the listing of {self.dataset}"):
                if file.path in found:
                    raise DataError(f"the listing of {self.dataset} names {file.path} twice; try again later")
                found[file.path] = file
            if len(found) > _MAX_FILES:
                raise DataError(f"{self.dataset} lists more than {_MAX_FILES:,} files; check --dataset")
            url = self._next_page(following) if following is not None else None
        for path in found:
            for above in map(str, PurePosixPath(path).parents):
                if above in found:
                    raise DataError(
                        f"{self.dataset} lists {above} as a file with files in it; try again later"
                    )
        return tuple(found.values())

    @contextmanager
    def stream(self, path: str, commit: str, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]]]:
        """The bytes of a file, with the position of the first: `start`, or 0 if the hub sends the whole file.

        Raises:
            DataError: the hub refuses; `HubRetryError` if it gave no answer, or the connection broke.
        """
        import httpx

        url = f"{self.endpoint}/datasets/{self.dataset}/resolve/{commit}/{quote(path)}"
        headers = {"Range": f"bytes={start}-"} if start else {}
        try:
            wait = httpx.Timeout(_TIMEOUT_S, read=_FILE_TIMEOUT_S)
            with self._client.stream("GET", url, headers=headers, timeout=wait) as response:
                if not response.is_success:
                    raise refusal(response, dataset=self.dataset, revision=commit, path=path)
                yield _position(response, start), response.iter_bytes()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(error, self.endpoint) from error

    def _next_page(self, link: str) -> str:
        """The address of a listing's next page: at this hub, even if a mirror passes on another hub's
        address."""
        parts = urlsplit(link)
        _, api, rest = parts.path.partition(f"/api/datasets/{self.dataset}/tree/")
        if not api:
            raise DataError(f"the listing of {self.dataset} goes on at {link}; check HF_ENDPOINT")
        return f"{self.endpoint}{api}{rest}?{parts.query}"

    def _json(self, url: str, revision: str) -> tuple[Any, str | None]:
        """A JSON answer and the address of its next page; requests that may succeed later are repeated."""
        for turn in range(_TRIES - 1):
            try:
                return self._json_once(url, revision)
            except HubRetryError as error:
                time.sleep(error.wait_s if error.wait_s is not None else self._retry_wait_s * 2**turn)
        return self._json_once(url, revision)

    def _json_once(self, url: str, revision: str) -> tuple[Any, str | None]:
        import httpx

        try:
            with self._client.stream("GET", url) as response:
                if not response.is_success:
                    raise refusal(response, dataset=self.dataset, revision=revision)
                raw = bytearray()
                for chunk in response.iter_bytes():
                    raw += chunk
                    if len(raw) > _MAX_PAGE:
                        raise DataError(
                            f"{url} answers with more than {_MAX_PAGE:,} bytes; check HF_ENDPOINT"
                        )
                return json.loads(raw), response.links.get("next", {}).get("url")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(error, self.endpoint) from error
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DataError(f"{url} answers with something that is not JSON; check HF_ENDPOINT") from error


def _listed(page: object, where: str) -> Iterator[HashedFile]:
    """The files of one page; large ones have their SHA-256 under `lfs`, small ones git's SHA-1 as `oid`."""
    if not isinstance(page, list) or not all(isinstance(entry, dict) for entry in page):
        raise DataError(f"{where} is not a list of files; check HF_ENDPOINT")
    for entry in page:
        if entry.get("type") != "file":
            continue
        lfs = entry.get("lfs")
        if isinstance(lfs, dict):
            yield checked_file(entry.get("path"), lfs.get("size"), HashKind.SHA256, lfs.get("oid"), where)
        else:
            yield checked_file(
                entry.get("path"), entry.get("size"), HashKind.GIT_BLOB, entry.get("oid"), where
            )


def _position(response: httpx.Response, start: int) -> int:
    if response.status_code != 206:
        return 0
    found = _RANGE.match(response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != start:
        raise DataError(
            f"{response.url.host} sent another part of a file than it was asked for; try again later"
        )
    return start


def _stored_token() -> str | None:
    from huggingface_hub import get_token

    return get_token()
