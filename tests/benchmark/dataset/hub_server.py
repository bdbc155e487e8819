"""A Hugging Face hub on loopback that holds one data set, with faults on demand.

It speaks what the hub's own client speaks (a test lets that client download from it): a revision's commit,
the tree page by page, and files, of which the large ones are sent by a second server that stands for the CDN.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from mmad_rag.benchmark.dataset.download import DATASET, REVISION

TOKEN = "hf_test"  # noqa: S105 - of the loopback hub


@dataclass(frozen=True)
class Asked:
    """One request for a file's bytes."""

    path: str
    start: int
    """From which byte on."""
    authorized: bool
    """Whether a token came with it."""


@dataclass
class Fault:
    """What the next answer for a path is instead of the right one."""

    status: int = 0
    """Answer this status; 0 sends the file."""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    """Close the connection after so many bytes."""
    hold: bool = False
    """After `cut` bytes, send nothing until the server stops."""
    ignore_range: bool = False
    """Send the whole file whatever was asked for."""
    content_range: str | None = None
    """Say this of what is sent."""
    body: bytes | None = None
    """Send these bytes."""


class HubServer:
    """Listens on 127.0.0.1 while its `with` block lasts."""

    def __init__(self, files: dict[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        self.large: set[str] = set()
        """Paths that are listed with SHA-256 and sent by the CDN."""
        self.commit = REVISION
        self.names = {"main": REVISION, "refs/pr/1": REVISION}
        self.page_size = 1000
        self.entries: list[dict[str, object]] = []
        """Put into the listing beside the files."""
        self.pages: dict[str, bytes] = {}
        """Raw answers by the start of their API path."""
        self.next_page: str | None = None
        """Where the listing goes on, instead of at the hub."""
        self.faults: defaultdict[str, list[Fault]] = defaultdict(list)
        """By a file's path, or by `api`; one is used up by each request."""
        self.asked: list[Asked] = []
        self.api_calls: list[str] = []
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.holding = threading.Event()
        """Set while a request is held."""
        self._hub = _Http(("127.0.0.1", 0), _handler_for(self))
        self._cdn = _Http(("127.0.0.1", 0), _handler_for(self))
        self._threads = [
            threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
            for http in (self._hub, self._cdn)
        ]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def cdn_url(self) -> str:
        return f"http://localhost:{self._cdn.server_port}"

    def __enter__(self) -> HubServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stopping.set()
        for http, thread in zip((self._hub, self._cdn), self._threads, strict=True):
            http.shutdown()
            http.server_close()
            thread.join(timeout=5)

    def fail(self, path: str, *faults: Fault) -> None:
        self.faults[path].extend(faults)

    def fault(self, path: str) -> Fault:
        with self.lock:
            return self.faults[path].pop(0) if self.faults[path] else Fault()

    def starts(self, path: str) -> list[int]:
        """From which bytes on a file was asked for, in order."""
        return [asked.start for asked in self.asked if asked.path == path]

    def listing(self) -> list[dict[str, object]]:
        listed: list[dict[str, object]] = [
            {"type": "directory", "oid": "0" * 40, "size": 0, "path": "DS-MVTec"}
        ]
        for path, data in self.files.items():
            blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            entry: dict[str, object] = {"type": "file", "oid": blob, "size": len(data), "path": path}
            if path in self.large:
                entry["lfs"] = {
                    "oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130
                }  # fmt: skip
            listed.append(entry)
        return listed + self.entries

    def etag(self, path: str) -> str:
        data = self.files[path]
        if path in self.large:
            return hashlib.sha256(data).hexdigest()
        return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that is killed hangs up early; anything else is a mistake."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as the base class has it


def _handler_for(server: HubServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            path = unquote(url.path)
            if path.startswith(f"/api/datasets/{DATASET}"):
                self._api(path.removeprefix(f"/api/datasets/{DATASET}"), parse_qs(url.query))
            elif path.startswith(f"/datasets/{DATASET}/resolve/{server.commit}/"):
                self._resolve(path.removeprefix(f"/datasets/{DATASET}/resolve/{server.commit}/"))
            elif path.startswith("/cdn/"):
                self._send_file(path.removeprefix("/cdn/"))
            else:
                self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})

        do_HEAD = do_GET  # noqa: N815 - the base class's name

        def _api(self, path: str, query: dict[str, list[str]]) -> None:
            server.api_calls.append(path)
            fault = server.fault("api")
            raw = next((raw for start, raw in server.pages.items() if path.startswith(start)), None)
            if fault.status:
                self._send(fault.status, b"{}", fault.headers)
            elif raw is not None:
                self._send(200, raw, {})
            elif path.startswith("/revision/"):
                revision = path.removeprefix("/revision/")
                commit = server.names.get(revision, revision if revision == server.commit else None)
                if commit is None:
                    self._send(
                        404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev"}
                    )
                else:
                    info = {"id": DATASET, "sha": commit, "siblings": [], "private": False, "tags": []}
                    self._send(200, json.dumps(info).encode(), {})
            else:
                start = int(query.get("cursor", ["0"])[0])
                listing = server.listing()
                headers = {}
                if start + server.page_size < len(listing):
                    query_text = f"recursive=true&cursor={start + server.page_size}"
                    following = f"{server.url}/api/datasets/{DATASET}{path}?{query_text}"
                    headers["Link"] = f'<{server.next_page or following}>; rel="next"'
                self._send(200, json.dumps(listing[start : start + server.page_size]).encode(), headers)

        def _resolve(self, path: str) -> None:
            if path not in server.files:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
                return
            etag = server.etag(path)
            size = str(len(server.files[path]))
            about = {"X-Repo-Commit": server.commit, "X-Linked-Size": size, "X-Linked-Etag": f'"{etag}"'}
            if path in server.large:
                self._send(302, b"", {**about, "Location": f"{server.cdn_url}/cdn/{quote(path)}"})
            else:
                self._send_file(path, {**about, "ETag": f'"{etag}"'})

        def _send_file(self, path: str, headers: dict[str, str] | None = None) -> None:
            data = server.files[path]
            wanted = self.headers.get("Range")
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            fault = Fault()
            if self.command == "GET":
                server.asked.append(Asked(path, start, "Authorization" in self.headers))
                fault = server.fault(path)
            if fault.status:
                self._send(fault.status, b"", fault.headers)
                return
            start = 0 if fault.ignore_range else start
            body = data[start:] if fault.body is None else fault.body
            sent = dict(headers or {})
            if start or fault.content_range:
                sent["Content-Range"] = fault.content_range or f"bytes {start}-{len(data) - 1}/{len(data)}"
            self._send(206 if "Content-Range" in sent else 200, body, sent, fault)

        def _send(
            self, status: int, body: bytes, headers: dict[str, str], fault: Fault | None = None
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            cut = fault.cut if fault is not None else None
            self.wfile.write(body[:cut])
            if cut is not None:
                self.wfile.flush()
                self.close_connection = True
                if fault is not None and fault.hold:
                    server.holding.set()
                    server.stopping.wait(timeout=30)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Print nothing."""

    return Handler


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    """A running hub that HF_ENDPOINT names, reached directly, with a token."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1,localhost")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server
