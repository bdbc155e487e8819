"""Unpacking a data set's archives: safely, once, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import stat
import zipfile
from pathlib import Path

import pytest

from mmad_rag.benchmark.dataset import unpack as unpack_module
from mmad_rag.benchmark.dataset.file_hash import HashedFile, HashKind
from mmad_rag.benchmark.dataset.manifest import read_manifest
from mmad_rag.benchmark.dataset.unpack import unpack_archives
from mmad_rag.errors import DataError
from tests.benchmark.dataset.hub_server import HubServer, hub
from tests.support.running import Cli

__all__ = ["hub"]

ZIP = "ALL.zip"


def pack(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name) if name.endswith("/") else name, data)
    return path


def test_every_file_comes_out_once(tmp_path: Path) -> None:
    pack(tmp_path / ZIP, {"VisA/": b"", "VisA/a.png": b"a" * 5, "mmad.json": b"{}"})
    told: list[tuple[int, int]] = []
    done = unpack_archives(tmp_path, [ZIP], progress=lambda ready, total: told.append((ready, total)))
    assert (done.files, done.kept, told) == (2, 0, [(1, 2), (2, 2)])
    assert (tmp_path / "VisA/a.png").read_bytes() == b"aaaaa"
    again = unpack_archives(tmp_path, [ZIP])
    assert (again.files, again.kept) == (2, 2)


def test_an_archive_in_a_folder_unpacks_beside_itself(tmp_path: Path) -> None:
    pack(tmp_path / "VisA" / "more.zip", {"b.png": b"b"})
    unpack_archives(tmp_path, ["VisA/more.zip"])
    assert (tmp_path / "VisA" / "b.png").read_bytes() == b"b"


def test_files_of_an_interrupted_unpacking_are_kept(tmp_path: Path) -> None:
    pack(tmp_path / ZIP, {"a": b"1", "b": b"2"})
    (tmp_path / "a").write_bytes(b"1")
    assert unpack_archives(tmp_path, [ZIP]).kept == 1
    (tmp_path / "a").write_bytes(b"9")
    with pytest.raises(DataError, match=r"a is not what .*ALL\.zip holds; move it away"):
        unpack_archives(tmp_path, [ZIP])


EVIL = ["../evil", "/evil", "a/../../evil", "a\\..\\evil", "C:/evil", "hashes.json", ".mmad-download/lock"]


@pytest.mark.parametrize("name", EVIL)
def test_a_path_that_leaves_the_folder_is_refused_before_anything_is_written(
    tmp_path: Path, name: str
) -> None:
    pack(tmp_path / "data" / ZIP, {"good": b"1", name: b"2"})
    with pytest.raises(DataError, match=r"leaves the data folder|kept for this library"):
        unpack_archives(tmp_path / "data", [ZIP])
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert not (tmp_path / "data" / "good").exists()


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / ZIP, "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(DataError, match="is a link or encrypted"):
        unpack_archives(tmp_path, [ZIP])


def test_a_link_in_the_folder_is_not_followed_out(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    pack(tmp_path / "data" / ZIP, {"VisA/a.png": b"a"})
    (tmp_path / "data" / "VisA").symlink_to(tmp_path / "out")
    with pytest.raises(DataError, match="link that leads out"):
        unpack_archives(tmp_path / "data", [ZIP])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / ZIP, {"bomb": b"\0" * 5_000_000})
    with pytest.raises(DataError, match=r"would grow from [\d,]+ to 5,000,000 bytes"):
        unpack_archives(tmp_path, [ZIP])


def test_two_archives_with_one_name_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"x": b"1"})
    pack(tmp_path / "b.zip", {"x": b"1"})
    with pytest.raises(DataError, match="hold x twice"):
        unpack_archives(tmp_path, ["a.zip", "b.zip"])


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack_module, "_MAX_MEMBERS", 1)
    pack(tmp_path / ZIP, {"x": b"1", "y": b"1"})
    with pytest.raises(DataError, match="more than 1 files"):
        unpack_archives(tmp_path, [ZIP])


def test_a_small_disk_is_refused_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(tmp_path / ZIP, {"x": b"12345"})
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 4}))
    with pytest.raises(DataError, match="unpack to 5 bytes more, its disk has 4 free"):
        unpack_archives(tmp_path, [ZIP])


def test_a_damaged_archive_is_named_and_nothing_half_stays(tmp_path: Path) -> None:
    path = pack(tmp_path / ZIP, {"x": b"12345" * 100}, zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    raw[100] ^= 0xFF
    path.write_bytes(raw)
    with pytest.raises(DataError, match=r"'x' is damaged .*Bad CRC"):
        unpack_archives(tmp_path, [ZIP])
    assert not (tmp_path / "x").exists()
    path.write_bytes(raw[:50])
    with pytest.raises(DataError, match="is not a readable zip file"):
        unpack_archives(tmp_path, [ZIP])


def test_fewer_bytes_than_declared_are_damage(tmp_path: Path) -> None:
    path = pack(tmp_path / ZIP, {"x": b"1234567"}, zipfile.ZIP_STORED)
    raw = path.read_bytes()
    central = raw.index(b"PK\x01\x02")
    longer = raw[: central + 24] + (9).to_bytes(4, "little") + raw[central + 28 :]
    path.write_bytes(longer)
    with pytest.raises(DataError, match="'x' is damaged"):
        unpack_archives(tmp_path, [ZIP])


def test_a_file_that_cannot_be_written_or_compared_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    pack(tmp_path / ZIP, {"x": b"1"})
    with monkeypatch.context() as patched:
        patched.setattr(unpack_module, "put_in_place", broken)
        with pytest.raises(DataError, match="x cannot be written"):
            unpack_archives(tmp_path, [ZIP])
    (tmp_path / "x").write_bytes(b"1")
    monkeypatch.setattr(unpack_module, "blocks", broken)
    with pytest.raises(DataError, match="x cannot be read"):
        unpack_archives(tmp_path, [ZIP])


def test_the_command_unpacks_what_verify_can_check(hub: HubServer, tmp_path: Path, cli: Cli) -> None:
    packed = pack(tmp_path / ZIP, {"VisA/x/test/bad/1.png": b"picture"})
    hub.files = {ZIP: packed.read_bytes()}
    hub.large = {ZIP}
    ran = cli("data", "download", tmp_path / "data")
    assert ran.code == 0
    assert "ALL.zip: packed; the same command with --unpack" in ran.err
    ran = cli("data", "download", tmp_path / "data", "--unpack", "--json")
    assert json.loads(ran.out)["unpacked"] == {"files": 1, "kept": 0}
    assert "1 files unpacked" in ran.err
    manifest = read_manifest(tmp_path / "data")
    assert manifest is not None
    path = "VisA/x/test/bad/1.png"
    right = HashedFile(path, 7, HashKind.SHA256, hashlib.sha256(b"picture").hexdigest())
    assert manifest.files[path] == right
