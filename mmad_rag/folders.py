"""Walk folders that people fill: which entries count, in which order, and how their names compare."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mmad_rag.errors import InputError

_SYSTEM_NAMES = frozenset(
    """@eadir @tmp @recycle @recently-snapshot @sharebin @syncthing #recycle #snapshot __macosx __pycache__
    $recycle.bin $extend recycler recycled thumbs.db ehthumbs.db ehthumbs_vista.db desktop.ini autorun.inf
    lost+found thevolumesettingsfolder""".casefold().split()
) | {"system volume information", "network trash folder", "temporary items", "icon\r"}
"""What file servers and file managers leave in folders, in lower case."""
_SYSTEM_NAME = re.compile(
    r"found\.\d{3}|~\$.*|.*(?:@syno(?:resource|eastream)|:zone\.identifier)|thumbs\.db:.*"
)
_IS_JUNCTION = getattr(os.path, "isjunction", lambda _path: False)
"""Whether a path is Windows' other kind of link; Python knows it since 3.12."""
_MOST_VISITS = 100
"""Largest number of paths by which links may lead to one folder."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry of a folder that counts."""

    path: Path
    mode: int
    """File type and permissions of what the entry is or leads to; 0 if it leads nowhere."""
    link: bool


@dataclass(frozen=True, slots=True)
class _Open:
    """A folder that is being walked."""

    above: tuple[Path, ...]
    """Real paths of the folders on the way to it; the last is its own."""
    left: Iterator[_Entry]
    """The entries that are still to be looked at."""


def is_passed_over(name: str) -> bool:
    """Whether an entry of this name is hidden or the system's own: `._x.png`, `@eaDir`, `Thumbs.db`."""
    folded = same_name(name)
    return folded.startswith(".") or folded in _SYSTEM_NAMES or _SYSTEM_NAME.fullmatch(folded) is not None


@lru_cache(maxsize=4096)  # the names of products are compared with those of every folder
def same_name(name: str) -> str:
    """The form in which two names are equal that differ in capitals only, or in how accents are encoded."""
    return unicodedata.normalize("NFC", name).casefold()


def suffix_of(path: Path) -> str:
    """The suffix in lower case, `.jpg` for `a.JPG`."""
    return path.suffix.lower()


def find_name(name: str, names: Iterable[str]) -> str | None:
    """The first of the names that equals `name`, or else that differs in capitals only; None if none does."""
    known = tuple(names)
    if name in known:
        return name
    return next((other for other in known if same_name(other) == same_name(name)), None)


def entries_in(folder: Path) -> tuple[Path, ...]:
    """Everything directly in a folder but hidden and system entries, of any kind, sorted by name.

    Raises:
        InputError: the folder cannot be read.
    """
    return tuple(entry.path for entry in _listing(folder))


def files_in(folder: Path, suffixes: Collection[str] | None = None) -> tuple[Path, ...]:
    """The plain files directly in a folder, sorted by name; see `files_below`.

    Raises:
        InputError: the folder cannot be read.
    """
    return tuple(entry.path for entry in _listing(folder) if _is_wanted(entry, suffixes))


def files_below(folder: Path, suffixes: Collection[str] | None = None) -> Iterator[Path]:
    """The plain files below a folder, sorted by path on every file system.

    Hidden and system entries are passed over, and so is what is not a plain file: sockets, pipes, devices and
    links that lead nowhere. Links to files and folders are followed, except a link to a folder that holds the
    place where it stands: every file would be found there again.

    Args:
        folder: The folder; its own name may be anything.
        suffixes: Only files with these suffixes, given in lower case and compared without regard to capitals;
            None takes all.

    Raises:
        InputError: a folder cannot be read, or links lead to it along more than a hundred paths.
    """
    visits: Counter[Path] = Counter()
    open_folders = [_Open((_real(folder),), iter(_listing(folder)))]
    while open_folders:  # a loop, as folders can be nested deeper than functions
        here = open_folders[-1]
        entry = next(here.left, None)
        if entry is None:
            open_folders.pop()
        elif not stat.S_ISDIR(entry.mode):
            if _is_wanted(entry, suffixes):
                yield entry.path
        else:
            real = _real(entry.path) if entry.link else here.above[-1] / entry.path.name
            if not (entry.link and any(place.is_relative_to(real) for place in here.above)):
                _count_visit(visits, real, entry.path)
                open_folders.append(_Open((*here.above, real), iter(_listing(entry.path))))


def links_below(folder: Path) -> Iterator[Path]:
    """Every link below a folder, sorted by path, wherever it leads; none is followed.

    Raises:
        InputError: a folder cannot be read.
    """
    open_folders = [iter(_listing(folder))]
    while open_folders:
        entry = next(open_folders[-1], None)
        if entry is None:
            open_folders.pop()
        elif entry.link:
            yield entry.path
        elif stat.S_ISDIR(entry.mode):
            open_folders.append(iter(_listing(entry.path)))


def _count_visit(visits: Counter[Path], real: Path, path: Path) -> None:
    visits[real] += 1
    if visits[real] > _MOST_VISITS:
        raise InputError(
            f"links lead to the folder {real} along more than {_MOST_VISITS:,} paths, one of them {path}; "
            "remove links until each folder is reached once"
        )


def _is_wanted(entry: _Entry, suffixes: Collection[str] | None) -> bool:
    return stat.S_ISREG(entry.mode) and (suffixes is None or suffix_of(entry.path) in suffixes)


def _listing(folder: Path) -> list[_Entry]:
    """The entries of a folder that count, sorted by name."""
    try:
        names = sorted(path.name for path in folder.iterdir() if not is_passed_over(path.name))
        return [_entry(folder / name) for name in names]
    except OSError as error:
        raise InputError(
            f"{error.filename or folder} cannot be read ({error.strerror}); make it readable, or take it away"
        ) from error


def _entry(path: Path) -> _Entry:
    link = path.is_symlink() or bool(_IS_JUNCTION(path))
    try:
        return _Entry(path, path.stat().st_mode, link)
    except PermissionError:
        raise
    except OSError:  # it leads nowhere or in a circle, or is gone by now
        return _Entry(path, 0, link)


def _real(folder: Path) -> Path:
    try:
        return Path(os.path.realpath(folder))
    except OSError as error:
        raise InputError(f"the folder {folder} cannot be read ({error.strerror}); check the path") from error
