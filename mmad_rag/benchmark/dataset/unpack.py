"""Unpack a data set's zip archives into its folder."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from mmad_rag.benchmark.data.strict_json import as_relative_path
from mmad_rag.benchmark.dataset.fetch import cannot_write, put_in_place, target_of
from mmad_rag.benchmark.dataset.file_hash import HashedFile, HashKind, blocks
from mmad_rag.benchmark.dataset.manifest import data_lock, is_ours, read_manifest, with_files, write_manifest
from mmad_rag.errors import DataError

_MAX_MEMBERS = 1_000_000
_MAX_RATIO = 200
"""Largest number of bytes from one packed byte; more is a bomb (images hardly shrink, JSON about tenfold)."""
_SMALL = 1 << 20
"""Number of bytes below which the ratio is not checked."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The result of unpacking archives."""

    files: int
    """Number of files in all archives."""
    kept: int
    """Number of files that were there already, byte by byte."""


def unpack_archives(
    folder: Path,
    archives: Sequence[str],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Unpacked:
    """Unpack zip files of a data folder beside themselves; files that are there already are kept.

    Every file's SHA-256 is added to `hashes.json`. A file gets its name when it is whole.

    Args:
        folder: The data folder.
        archives: Paths of the archives in the folder.
        progress: Called with the number of files done and of all files.

    Raises:
        DataError: an archive is damaged, holds a path that leaves the folder, a link, an encrypted file or a
            bomb, or unpacks to more than the disk has room for (nothing is written then); or a file is there
            with other bytes, or cannot be written.
    """
    with data_lock(folder) as work:
        members = [member for path in archives for member in _members(folder, path)]
        _refuse_too_much(folder, members)
        found: list[HashedFile] = []
        kept = 0
        for done, member in enumerate(members, start=1):
            target = target_of(folder, member.path)
            if target.exists():
                found.append(_same(target, member))
                kept += 1
            else:
                found.append(_unpack(folder, member, work / "unpacking.part", target))
            if progress is not None:
                progress(done, len(members))
        manifest = read_manifest(folder)
        if manifest is not None:
            write_manifest(folder, with_files(manifest, found))
    return Unpacked(len(members), kept)


@dataclass(frozen=True, slots=True)
class _Member:
    """One file of an archive."""

    archive: Path
    info: zipfile.ZipInfo
    path: str


def _members(folder: Path, path: str) -> Iterator[_Member]:
    archive = folder / path
    above = path.rpartition("/")[0]
    try:
        with zipfile.ZipFile(archive) as opened:
            infos = opened.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise DataError(f"{archive} is not a readable zip file ({error}); download it again") from error
    for info in infos:
        where = f"{archive}, {info.filename!r}"
        name = as_relative_path(info.filename.removesuffix("/"), where)
        if info.is_dir():
            continue
        path_here = f"{above}/{name}" if above else name
        if is_ours(path_here):
            raise DataError(f"{where}: the path is kept for this library's own files; unpack it by hand")
        if stat.S_ISLNK(info.external_attr >> 16) or info.flag_bits & 1:
            raise DataError(f"{where} is a link or encrypted; unpack it by hand")
        if info.file_size > max(_SMALL, info.compress_size * _MAX_RATIO):
            raise DataError(
                f"{where} would grow from {info.compress_size:,} to {info.file_size:,} bytes; "
                "if you trust the archive, unpack it by hand"
            )
        yield _Member(archive, info, path_here)


def _refuse_too_much(folder: Path, members: Sequence[_Member]) -> None:
    if len(members) > _MAX_MEMBERS:
        raise DataError(
            f"the archives of {folder} hold more than {_MAX_MEMBERS:,} files; unpack them by hand"
        )
    if twice := next(iter(_twice([member.path for member in members])), None):
        raise DataError(f"the archives of {folder} hold {twice} twice; unpack them by hand")
    needed = sum(member.info.file_size for member in members if not (folder / member.path).exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"the archives of {folder} unpack to {needed:,} bytes more, its disk has {free:,} free; "
            "free space"
        )


def _twice(paths: Sequence[str]) -> Iterator[str]:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            yield path
        seen.add(path)


def _same(target: Path, member: _Member) -> HashedFile:
    """The file that is there, if the archive holds the same bytes."""
    sha256, crc, size = hashlib.sha256(), 0, 0
    try:
        for block in blocks(target):
            sha256.update(block)
            crc, size = zlib.crc32(block, crc), size + len(block)
    except OSError as error:
        raise DataError(f"{target} cannot be read ({error.strerror}); check its permissions") from error
    if (size, crc) != (member.info.file_size, member.info.CRC):
        raise DataError(f"{target} is not what {member.archive} holds; move it away, then unpack again")
    return HashedFile(member.path, size, HashKind.SHA256, sha256.hexdigest())


def _unpack(folder: Path, member: _Member, part: Path, target: Path) -> HashedFile:
    try:
        with zipfile.ZipFile(member.archive) as opened, opened.open(member.info) as packed:
            sha256 = _copy(packed, part, member)
        put_in_place(part, target)
    except OSError as error:
        raise cannot_write(error, folder, member.path) from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise DataError(
            f"{member.archive}, {member.info.filename!r} is damaged ({error}); download the archive again"
        ) from error
    return HashedFile(member.path, member.info.file_size, HashKind.SHA256, sha256)


def _copy(packed: IO[bytes], part: Path, member: _Member) -> str:
    """Write the unpacked bytes and return their SHA-256; reading ends at the declared size and checks the
    CRC."""
    sha256, size = hashlib.sha256(), 0
    with part.open("wb") as opened:
        while block := packed.read(_BLOCK):
            sha256.update(block)
            size += len(block)
            opened.write(block)
    if size != member.info.file_size:
        raise zipfile.BadZipFile(f"{size:,} bytes instead of {member.info.file_size:,}")
    return sha256.hexdigest()
