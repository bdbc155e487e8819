"""Downloading a data set from a hub on loopback, whatever goes wrong on the way."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from mmad_rag.benchmark.dataset import download as download_module
from mmad_rag.benchmark.dataset import download_plan, fetch
from mmad_rag.benchmark.dataset.download import DATASET, REPORTED_SHA256, REVISION, Download, download_data
from mmad_rag.benchmark.dataset.download_progress import DownloadProgress
from mmad_rag.benchmark.dataset.file_hash import HashedFile, HashKind, fits
from mmad_rag.benchmark.dataset.hub import Hub
from mmad_rag.benchmark.dataset.hub_errors import HubRetryError, unreachable
from mmad_rag.benchmark.dataset.manifest import MANIFEST, WORK_FOLDER, data_lock, is_ours, read_manifest
from mmad_rag.errors import DataError
from tests.benchmark.dataset.hub_server import Fault, HubServer, hub
from tests.support.bench import make_benchmark
from tests.support.running import Cli
from tests.support.warm import Warm

pytestmark = pytest.mark.slow

__all__ = ["hub"]

BIG = "VisA/candle/test/good/0001.JPG"
SMALL = "README.md"


@pytest.fixture
def stocked(hub: HubServer) -> HubServer:
    """The hub with a question file, a small file, and a large one on the CDN."""
    hub.files = {
        SMALL: b"# MMAD\n",
        "mmad.json": b'{"no": "questions"}',
        "domain_knowledge.json": b"{}",
        BIG: np.random.default_rng(0).bytes(300_000),
        "VisA/candle/empty.txt": b"",
    }
    hub.large = {BIG}
    return hub


def get(folder: Path, **options: object) -> Download:
    return download_data(folder, retry_wait_s=0.01, **options)  # type: ignore[arg-type]  # of each test


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a folder but those that the library keeps for itself."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and WORK_FOLDER not in path.parts and path.name != MANIFEST
    }


def parts(folder: Path) -> list[Path]:
    return list((folder / WORK_FOLDER).glob("*.part"))


def listed(path: str) -> HashedFile:
    """A file as the hub lists it."""
    with Hub(DATASET) as asked:
        return next(file for file in asked.files(REVISION) if file.path == path)


# --- the whole way


def test_every_file_arrives_with_its_bytes(stocked: HubServer, tmp_path: Path) -> None:
    told: list[DownloadProgress] = []
    done = get(tmp_path / "data", progress=told.append)
    assert content(tmp_path / "data") == stocked.files
    size = sum(map(len, stocked.files.values()))
    assert (done.files, done.kept, done.bytes_fetched) == (5, 0, size)
    assert (done.dataset, done.revision, done.archives) == (DATASET, REVISION, ())
    assert done.questions_sha256 == hashlib.sha256(stocked.files["mmad.json"]).hexdigest()
    assert done.as_reported is False
    assert told[4] == DownloadProgress("checking", 5, 5, 0)
    assert told[-1] == DownloadProgress("fetching", size, size, 0)
    assert parts(tmp_path / "data") == []


def test_questions_come_first(stocked: HubServer, tmp_path: Path) -> None:
    get(tmp_path, concurrency=1)
    assert {asked.path for asked in stocked.asked[:2]} == {"mmad.json", "domain_knowledge.json"}


def test_the_manifest_says_what_every_file_must_be(stocked: HubServer, tmp_path: Path) -> None:
    get(tmp_path)
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert (manifest.dataset, manifest.revision) == (DATASET, REVISION)
    digest = hashlib.sha256(stocked.files[BIG]).hexdigest()
    assert manifest.files[BIG] == HashedFile(BIG, 300_000, HashKind.SHA256, digest)
    # `printf '# MMAD\n' | git hash-object --stdin`
    assert manifest.files[SMALL].kind is HashKind.GIT_BLOB
    assert all(fits(tmp_path / path, file) for path, file in manifest.files.items())


def test_a_file_that_is_whole_is_not_fetched_again(stocked: HubServer, tmp_path: Path) -> None:
    get(tmp_path)
    stocked.asked.clear()
    again = get(tmp_path)
    assert (again.kept, again.bytes_fetched, stocked.asked) == (5, 0, [])


def test_a_long_listing_comes_page_by_page(stocked: HubServer, tmp_path: Path) -> None:
    stocked.page_size = 2
    assert get(tmp_path).files == 5
    assert sum(call.startswith("/tree/") for call in stocked.api_calls) == 3


def test_the_token_goes_to_the_hub_and_not_on_to_the_cdn(stocked: HubServer, tmp_path: Path) -> None:
    get(tmp_path)
    assert {asked.path: asked.authorized for asked in stocked.asked} == {
        path: path != BIG for path in stocked.files
    }


def test_only_what_is_wanted_is_fetched(stocked: HubServer, tmp_path: Path) -> None:
    assert get(tmp_path / "a", only=["VisA/*", "README*"]).questions_sha256 is None
    assert set(content(tmp_path / "a")) == {BIG, SMALL, "VisA/candle/empty.txt"}
    get(tmp_path / "b", questions_only=True)
    assert set(content(tmp_path / "b")) == {"mmad.json", "domain_knowledge.json"}
    with pytest.raises(DataError, match=r"is wanted; it holds README\.md, VisA, domain_knowledge"):
        get(tmp_path / "c", only=["GoodsAD/*"])


def test_a_second_download_adds_to_the_manifest(stocked: HubServer, tmp_path: Path) -> None:
    get(tmp_path, questions_only=True)
    get(tmp_path, only=[SMALL])
    manifest = read_manifest(tmp_path)
    assert manifest is not None
    assert set(manifest.files) == {"mmad.json", "domain_knowledge.json", SMALL}


def test_a_branch_is_pinned_to_its_commit(stocked: HubServer, tmp_path: Path) -> None:
    assert get(tmp_path, revision="refs/pr/1").revision == REVISION


def test_the_hubs_own_client_finds_the_same_files(stocked: HubServer, tmp_path: Path) -> None:
    """The loopback server speaks what the official client speaks, so it stands for the hub."""
    code = (
        "import sys; from huggingface_hub import snapshot_download; "
        f"snapshot_download({DATASET!r}, repo_type='dataset', revision={REVISION!r}, local_dir=sys.argv[1])"
    )
    environment = {
        **os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }  # fmt: skip
    subprocess.run([sys.executable, "-c", code, tmp_path / "theirs"], check=True, env=environment, timeout=60)
    get(tmp_path / "ours")
    theirs = {
        path: data for path, data in content(tmp_path / "theirs").items() if not path.startswith(".cache")
    }
    assert theirs == content(tmp_path / "ours") == stocked.files


# --- going on


def test_a_cut_connection_goes_on_where_it_stopped(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(BIG, Fault(cut=100_000), Fault(cut=50_000))
    told: list[DownloadProgress] = []
    get(tmp_path, progress=told.append)
    assert content(tmp_path) == stocked.files
    first, second, third = stocked.starts(BIG)
    assert (first, second, third) == (0, 100_000, 150_000)
    assert told[-1].done == told[-1].total


def test_a_killed_download_goes_on_in_the_middle_of_a_file(
    stocked: HubServer, tmp_path: Path, warm: Warm
) -> None:
    stocked.fail(BIG, Fault(cut=200_000, hold=True))
    process = warm.start("mmad-rag", "data", "download", tmp_path, "--concurrency", 1)
    while not stocked.holding.wait(timeout=0.1):
        assert process.poll() is None
    while not (found := [part for part in parts(tmp_path) if part.stat().st_size]):
        assert process.poll() is None
        time.sleep(0.01)
    process.kill()
    (part,) = found
    there = part.stat().st_size
    assert 0 < there <= 200_000
    assert not (tmp_path / BIG).exists()
    assert BIG in json.loads((tmp_path / MANIFEST).read_text())["files"]
    done = get(tmp_path)
    assert content(tmp_path) == stocked.files
    assert stocked.starts(BIG) == [0, there]
    assert stocked.starts("mmad.json") == [0]
    assert done.bytes_fetched == 300_000 - there


def test_a_server_without_ranges_sends_it_all_again(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(BIG, Fault(cut=100_000), Fault(ignore_range=True))
    told: list[DownloadProgress] = []
    get(tmp_path, progress=told.append)
    assert content(tmp_path) == stocked.files
    assert told[-1].done == told[-1].total


def test_another_part_than_was_asked_for_is_refused(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(BIG, Fault(cut=100_000), Fault(content_range="bytes 7-9/10"))
    with pytest.raises(DataError, match="another part of a file"):
        get(tmp_path)


def test_a_part_with_foreign_bytes_is_thrown_away_once(stocked: HubServer, tmp_path: Path) -> None:
    big = listed(BIG)
    with data_lock(tmp_path) as work:
        fetch.part_of(work, big).write_bytes(b"x" * 1000)
    get(tmp_path)
    assert content(tmp_path) == stocked.files
    assert stocked.starts(BIG) == [1000, 0]


def test_a_part_that_is_too_long_is_thrown_away(stocked: HubServer, tmp_path: Path) -> None:
    big = listed(BIG)
    with data_lock(tmp_path) as work:
        fetch.part_of(work, big).write_bytes(b"x" * 300_001)
    assert get(tmp_path).bytes_fetched == sum(map(len, stocked.files.values()))
    assert content(tmp_path) == stocked.files


def test_a_finished_part_needs_no_request(stocked: HubServer, tmp_path: Path) -> None:
    big = listed(BIG)
    with data_lock(tmp_path) as work:
        fetch.part_of(work, big).write_bytes(stocked.files[BIG])
    get(tmp_path)
    assert stocked.starts(BIG) == []
    assert content(tmp_path) == stocked.files


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "0"}, {"RateLimit": '"resolvers";r=0;t=0'}])
def test_a_busy_hub_is_asked_again(stocked: HubServer, tmp_path: Path, headers: dict[str, str]) -> None:
    stocked.fail("api", Fault(status=503, headers=headers))
    stocked.fail(SMALL, Fault(status=429, headers=headers), Fault(status=500, headers=headers))
    get(tmp_path)
    assert content(tmp_path) == stocked.files


def test_a_connection_that_brings_nothing_is_given_up(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(BIG, Fault(cut=1000), *[Fault(cut=0)] * 9)
    with pytest.raises(HubRetryError, match="the same command goes on where it stopped"):
        get(tmp_path)
    assert [part.stat().st_size for part in parts(tmp_path)] == [1000]
    assert len(stocked.starts(BIG)) == 6
    assert not (tmp_path / BIG).exists()


def test_the_wait_that_a_hub_asks_for_is_bounded() -> None:
    from mmad_rag.benchmark.dataset.hub_errors import refusal

    request = httpx.Request("GET", "https://hub.test/x")
    waits = [
        refusal(httpx.Response(429, headers=headers, request=request), dataset="a/b", revision="main")
        for headers in ({}, {"Retry-After": "7"}, {"Retry-After": "99999"}, {"RateLimit": '"api";r=0;t=55'})
    ]
    assert [error.wait_s for error in waits if isinstance(error, HubRetryError)] == [None, 7.0, 600.0, 55.0]


# --- what is refused


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (401, "", "check --dataset, or set HF_TOKEN"),
        (403, "GatedRepo", "accept its conditions"),
        (401, "GatedRepo", "accept its conditions"),
        (404, "RepoNotFound", f"has no data set {DATASET}"),
        (404, "RevisionNotFound", f"has no revision {REVISION}"),
        (404, "", f"has no revision {REVISION}"),
        (418, "", "answered status 418"),
    ],
)
def test_a_refusal_says_what_to_do(
    stocked: HubServer, tmp_path: Path, status: int, code: str, message: str
) -> None:
    stocked.fail("api", Fault(status=status, headers={"X-Error-Code": code} if code else {}))
    with pytest.raises(DataError, match=message):
        get(tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_an_unknown_revision_is_named(stocked: HubServer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no revision v9 .*status 404: Invalid rev.*--revision"):
        get(tmp_path, revision="v9")


def test_a_listed_file_that_is_not_there_is_named(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(SMALL, Fault(status=404, headers={"X-Error-Code": "EntryNotFound"}))
    with pytest.raises(DataError, match=r"lists README\.md .*has no such file"):
        get(tmp_path)


def test_wrong_bytes_never_get_the_files_name(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(BIG, Fault(body=b"x" * 300_000))
    with pytest.raises(DataError, match="with another sha256 than it lists"):
        get(tmp_path, only=[BIG])
    assert not (tmp_path / BIG).exists()
    assert parts(tmp_path) == []
    get(tmp_path)
    assert content(tmp_path) == stocked.files


def test_more_bytes_than_listed_are_not_read(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(SMALL, Fault(body=b"x" * 1_000_000))
    with pytest.raises(DataError, match=r"more of README.md than the 7 bytes"):
        get(tmp_path)
    assert not (tmp_path / SMALL).exists()


EVIL = [
    "../evil", "/evil", "a/../../evil", "a\\evil", "C:/evil", "a//evil", "a\nb", "", None, 3,
    "hashes.json", "HASHES.JSON", f"{WORK_FOLDER}/lock",
]  # fmt: skip


@pytest.mark.parametrize("path", EVIL)
def test_a_path_that_leaves_the_folder_is_refused_before_anything_is_written(
    stocked: HubServer, tmp_path: Path, path: object
) -> None:
    stocked.entries = [{"type": "file", "oid": "0" * 40, "size": 1, "path": path}]
    with pytest.raises(DataError, match=r"leaves the data folder|kept for this library|expected a path"):
        get(tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"path": "x", "size": -1, "oid": "0" * 40}, "not a number of bytes"),
        ({"path": "x", "size": True, "oid": "0" * 40}, "not a number of bytes"),
        ({"path": "x", "size": 1, "oid": "../../x"}, "is not a git-blob-sha1 hash"),
        ({"path": "x", "lfs": {"size": 1, "oid": "0" * 40}}, "is not a sha256 hash"),
        ({"path": SMALL, "size": 1, "oid": "0" * 40}, "names README.md twice"),
        ({"path": f"{SMALL}/a/b", "size": 1, "oid": "0" * 40}, "lists README.md as a file with files in it"),
    ],
)
def test_a_listing_that_contradicts_itself_is_refused(
    stocked: HubServer, tmp_path: Path, entry: dict[str, object], message: str
) -> None:
    stocked.entries = [{"type": "file", **entry}]
    with pytest.raises(DataError, match=message):
        get(tmp_path)


@pytest.mark.parametrize(
    ("start", "raw", "message"),
    [
        ("/revision", b"<html>", "something that is not JSON"),
        ("/revision", b"[]", "names no commit"),
        ("/revision", b'{"sha": "main"}', "names no commit"),
        ("/revision", b'{"sha": "%s"}' % (b"0" * 40), "answers with another commit"),
        ("/tree", b"{}", "is not a list of files"),
        ("/tree", b"[1]", "is not a list of files"),
        ("/tree", b"[]", "holds no files"),
    ],
)
def test_an_answer_that_is_no_hubs_is_refused(
    stocked: HubServer, tmp_path: Path, start: str, raw: bytes, message: str
) -> None:
    stocked.pages[start] = raw
    with pytest.raises(DataError, match=message):
        get(tmp_path)


def test_limits_of_a_listing(stocked: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mmad_rag.benchmark.dataset import hub as hub_module

    monkeypatch.setattr(hub_module, "_MAX_FILES", 3)
    with pytest.raises(DataError, match="lists more than 3 files"):
        get(tmp_path)
    monkeypatch.setattr(hub_module, "_MAX_PAGE", 10)
    with pytest.raises(DataError, match="more than 10 bytes"):
        get(tmp_path)


def test_a_mirrors_listing_goes_on_at_the_mirror(stocked: HubServer, tmp_path: Path) -> None:
    """A mirror passes on the hub's own addresses; the token must not follow them."""
    stocked.page_size = 3
    stocked.next_page = f"https://hub.invalid/api/datasets/{DATASET}/tree/{REVISION}?recursive=true&cursor=3"
    assert get(tmp_path).files == 5


@pytest.mark.parametrize("where", ["http://203.0.113.1/next", "same"])
def test_a_listing_that_goes_on_elsewhere_or_in_a_circle_is_refused(
    stocked: HubServer, tmp_path: Path, where: str
) -> None:
    stocked.page_size = 2
    stocked.next_page = where
    if where == "same":
        stocked.next_page = f"{stocked.url}/api/datasets/{DATASET}/tree/{REVISION}?recursive=true&limit=1000"
    with pytest.raises(DataError, match="goes on at"):
        get(tmp_path)


def test_no_server_is_said_within_a_moment(tmp_path: Path, hub: HubServer) -> None:
    with pytest.raises(HubRetryError, match=r"cannot be reached .*check the network"):
        get(tmp_path, endpoint="http://127.0.0.1:9")


def test_an_address_that_is_none_is_refused(tmp_path: Path, hub: HubServer) -> None:
    for endpoint in ("nowhere", "ftp://127.0.0.1", "http://a:b"):
        with pytest.raises(DataError, match="correct HF_ENDPOINT"):
            get(tmp_path, endpoint=endpoint)
    assert isinstance(unreachable(httpx.ReadTimeout(""), "http://x"), HubRetryError)
    with (
        Hub(DATASET, endpoint="ftp://127.0.0.1") as asked,
        pytest.raises(DataError, match="correct HF_ENDPOINT"),
        asked.stream("x", REVISION),
    ):
        pass


def test_offline_is_respected(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="HF_HUB_OFFLINE forbids"):
        get(tmp_path)
    assert hub.api_calls == []


@pytest.mark.parametrize("name", ["MMAD", "../x/y", "a/b/c", "a/", ""])
def test_a_name_that_is_none_is_refused(tmp_path: Path, hub: HubServer, name: str) -> None:
    with pytest.raises(DataError, match="give owner/name"):
        get(tmp_path, dataset=name)


@pytest.mark.parametrize("concurrency", [0, 33])
def test_concurrency_is_bounded(tmp_path: Path, concurrency: int) -> None:
    with pytest.raises(DataError, match="give 1 to 32"):
        get(tmp_path, concurrency=concurrency)


# --- the folder


def test_a_small_disk_is_refused_before_the_start(
    stocked: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 299_999}))
    with pytest.raises(DataError, match=r"300,0\d\d bytes are still to be fetched, .* has 299,999 free"):
        get(tmp_path)
    assert stocked.asked == []


@pytest.mark.parametrize(
    ("number", "message"), [("ENOSPC", "is full, .* is not finished"), ("EIO", "cannot be written")]
)
def test_a_disk_that_fails_is_said_and_the_part_stays(
    stocked: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str, message: str
) -> None:
    import errno

    def broken(*_: object) -> None:
        raise OSError(getattr(errno, number), "broken")

    with monkeypatch.context() as patched:
        patched.setattr(fetch, "put_in_place", broken)
        with pytest.raises(DataError, match=message):
            get(tmp_path, only=[BIG])
    assert len(parts(tmp_path)) == 1
    assert not (tmp_path / BIG).exists()
    get(tmp_path, only=[BIG])
    assert stocked.starts(BIG) == [0]


def test_a_link_that_leads_out_is_refused(stocked: HubServer, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "VisA").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DataError, match="link that leads out"):
        get(tmp_path / "data")
    assert list((tmp_path / "elsewhere").iterdir()) == []
    (tmp_path / "data" / WORK_FOLDER).rename(tmp_path / "work")
    (tmp_path / "data" / WORK_FOLDER).symlink_to(tmp_path / "work")
    with pytest.raises(DataError, match="is a link; remove it"):
        get(tmp_path / "data")


def test_a_folder_where_a_file_goes_is_named(stocked: HubServer, tmp_path: Path) -> None:
    (tmp_path / SMALL).mkdir()
    with pytest.raises(DataError, match="is a folder where a file of the data set goes"):
        get(tmp_path)


def test_other_bytes_are_kept_unless_they_may_be_replaced(stocked: HubServer, tmp_path: Path) -> None:
    for name in list(stocked.files)[:3]:
        (tmp_path / name).write_bytes(b"mine")
    with pytest.raises(DataError, match=r"in README\.md, mmad\.json, domain_knowledge\.json; .* --replace"):
        get(tmp_path)
    assert (tmp_path / "mmad.json").read_bytes() == b"mine"
    assert stocked.asked == []
    get(tmp_path, replace=True)
    assert content(tmp_path) == stocked.files


def test_a_file_that_cannot_be_compared_is_named(
    stocked: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    (tmp_path / SMALL).write_bytes(b"x")
    monkeypatch.setattr(download_plan, "fits", unreadable)
    with pytest.raises(DataError, match=r"README\.md cannot be read \(Permission denied\)"):
        get(tmp_path)


def test_a_folder_of_another_revision_is_refused(stocked: HubServer, tmp_path: Path) -> None:
    get(tmp_path)
    stocked.commit = stocked.names["main"] = "1" * 40
    with pytest.raises(DataError, match=f"at revision {REVISION}, not .* give another folder"):
        get(tmp_path, revision="main")


def test_two_downloads_into_one_folder_do_not_meet(stocked: HubServer, tmp_path: Path) -> None:
    with data_lock(tmp_path), pytest.raises(DataError, match="another process is writing"):
        get(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(stocked: HubServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be written .*give another one"):
        get(tmp_path / "file")


def test_a_manifest_that_cannot_be_written_is_said(
    stocked: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / MANIFEST).mkdir()
    with pytest.raises(DataError, match="cannot be read"):
        get(tmp_path)
    (tmp_path / MANIFEST).rmdir()

    def full(_draft: Path, _path: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(DataError, match=r"hashes\.json cannot be written \(No space left"):
        get(tmp_path)
    assert not list(tmp_path.glob("*hashes.json*"))


def test_a_manifest_that_a_kill_left_half_written_is_ours() -> None:
    """Such a file is not called unused, and none of a data set may have its name."""
    assert is_ours(f".{MANIFEST}.0123abcd.draft")
    assert not is_ours(".mmad.json.0123abcd.draft")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "has version 2, not 1"),
        ({"files": []}, "expected an object"),
        ({"files": {"x": {"kind": "md5", "size": 1, "digest": ""}}}, "no kind of hash 'md5'"),
        ({"files": {"../x": {"kind": "sha256", "size": 1, "digest": "0" * 64}}}, "leaves the data folder"),
        ({"revision": None}, "'revision' is null"),
    ],
)
def test_a_damaged_manifest_is_refused(
    stocked: HubServer, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    get(tmp_path)
    path = tmp_path / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=message):
        get(tmp_path)


def test_an_error_stops_the_others_and_what_has_come_is_kept(stocked: HubServer, tmp_path: Path) -> None:
    stocked.fail(BIG, Fault(cut=100_000), *[Fault(status=503, headers={"Retry-After": "600"})] * 9)
    stocked.fail(SMALL, Fault(status=429, headers={"Retry-After": "1"}), Fault(status=404))
    with pytest.raises(DataError, match=r"README\.md"):
        get(tmp_path, concurrency=4)
    (part,) = parts(tmp_path)
    assert part.stat().st_size == 100_000


# --- the reported hash


def test_strict_takes_the_reported_question_file_only(
    stocked: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match=f"others report {REPORTED_SHA256}; leave --strict out"):
        get(tmp_path / "a", strict=True)
    assert stocked.starts(BIG) == []
    with pytest.raises(DataError, match=r"--strict compares mmad.json"):
        get(tmp_path / "b", strict=True, only=[SMALL])
    right = hashlib.sha256(stocked.files["mmad.json"]).hexdigest()
    monkeypatch.setattr(download_module, "REPORTED_SHA256", right)
    assert get(tmp_path / "a", strict=True).as_reported is True


def test_a_question_file_that_vanishes_is_named(stocked: HubServer, tmp_path: Path) -> None:
    stocked.files["mmad.json"] = b"{}"

    def take_away(progress: DownloadProgress) -> None:
        if progress.files_left == 3:
            (tmp_path / "mmad.json").unlink(missing_ok=True)

    with pytest.raises(DataError, match=r"mmad.json cannot be written"):
        get(tmp_path, progress=take_away, concurrency=1)


# --- the command


def test_the_command_downloads_what_verify_finds_whole(hub: HubServer, tmp_path: Path, cli: Cli) -> None:
    source = make_benchmark(tmp_path / "source")
    hub.files = {
        path.relative_to(source).as_posix(): path.read_bytes() for path in source.rglob("*") if path.is_file()
    }
    hub.large = {path for path in hub.files if path.endswith(".png")}
    ran = cli("data", "download", tmp_path / "data")
    assert ran.code == 0
    assert f"{len(hub.files)} files of {DATASET} at {REVISION}; 0 were there already" in ran.out
    assert "others report" in ran.err
    assert "fetching, kB, 0 files left" in ran.err
    checked = cli("data", "verify", tmp_path / "data", "--json")
    assert checked.code == 0
    report = json.loads(checked.out)
    assert report["hashed"] == len(hub.files)
    assert (report["findings"], report["must_act"], report["revision"]) == ([], False, REVISION)


def test_the_command_prints_one_json_document(stocked: HubServer, tmp_path: Path, cli: Cli) -> None:
    ran = cli("data", "download", tmp_path, "--json", "--only", "README*", "--only", "mmad.json")
    told = json.loads(ran.out)
    assert (told["files"], told["as_reported"], told["unpacked"]) == (2, False, None)
    assert told["reported_sha256"] == REPORTED_SHA256


def test_the_command_says_that_the_hub_wants_to_be_left_alone(
    stocked: HubServer, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    @contextmanager
    def bar() -> Iterator[Callable[..., None]]:
        yield lambda stage, done, total, detail="": shown.append(detail)

    monkeypatch.setattr("mmad_rag.cli.commands.data.progress_bar", bar)
    monkeypatch.setattr("mmad_rag.cli.commands.data._LONG_S", 1.0)
    stocked.fail(BIG, Fault(status=429, headers={"Retry-After": "1"}))
    assert cli("data", "download", tmp_path, "--only", BIG).code == 0
    assert ", 1 files left, waiting 1 s for the hub" in shown
    assert shown[-1] == ", 0 files left"


def test_the_command_says_what_is_wrong_in_one_message(stocked: HubServer, tmp_path: Path, cli: Cli) -> None:
    stocked.fail("api", Fault(status=401))
    ran = cli("data", "download", tmp_path / "data")
    assert ran.code == 1
    assert ran.out == ""
    assert ran.err.count("error: ") == 1
    assert "Traceback" not in ran.err


def test_an_interrupt_says_that_it_can_go_on(
    stocked: HubServer, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(download_module, "wait", interrupted)
    ran = cli("data", "download", tmp_path)
    assert ran.code == 130
    assert "the same command goes on where it stopped" in ran.err
