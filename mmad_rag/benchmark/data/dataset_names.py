"""The datasets that an image path may name in two ways, and where the files of their images lie.

MMAD's images of MVTec AD stand under `DS-MVTec`. The newer of its two question files keys pill's normal
images `MVTec-AD/pill/test/good/NNN.png`, so that the first component of the path alone would make a dataset
of 26 images. Published tables have four datasets: `MVTec-AD` counts as `DS-MVTec` wherever a dataset is
counted, and a path stays as the file writes it wherever it names an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

COUNTS_AS: Mapping[str, str] = MappingProxyType({"MVTec-AD": "DS-MVTec"})
"""First component of an image path -> the dataset that the image counts to, where these differ."""

_SIBLINGS = MappingProxyType({**COUNTS_AS, **{counted: name for name, counted in COUNTS_AS.items()}})


def dataset_of(image_path: str) -> str:
    """The dataset that an image counts to.

    Example:
        >>> dataset_of("MVTec-AD/pill/test/good/000.png"), dataset_of("VisA/pcb1/test/bad/004.JPG")
        ('DS-MVTec', 'VisA')
    """
    first = image_path.split("/", maxsplit=1)[0]
    return COUNTS_AS.get(first, first)


def counted_path(image_path: str) -> str:
    """The path with the dataset that the image counts to as its first component."""
    return "/".join([dataset_of(image_path), *image_path.split("/")[1:]])


def spellings(path: str) -> tuple[str, ...]:
    """The path as it is written, then the same below the dataset's other folder, if it has one.

    Example:
        >>> spellings("MVTec-AD/pill/test/good/000.png")
        ('MVTec-AD/pill/test/good/000.png', 'DS-MVTec/pill/test/good/000.png')
    """
    first, *rest = path.split("/")
    return (path, "/".join([_SIBLINGS[first], *rest])) if first in _SIBLINGS else (path,)


def file_of(folder: Path, path: str) -> Path:
    """The file of an image in a data folder: under its path, or below the dataset's other folder if there is
    a file there only.

    Only the folder of the dataset is exchanged: in older copies `DS-MVTec/pill/image/good/` shows metal nuts,
    so it must not stand in for `MVTec-AD/pill/test/good/`.
    """
    wanted, *others = (folder / name for name in spellings(path))
    return wanted if is_file(wanted) else next((other for other in others if is_file(other)), wanted)


def is_file(path: Path) -> bool:
    """Whether there is a file; False too for a name that the file system does not take."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
