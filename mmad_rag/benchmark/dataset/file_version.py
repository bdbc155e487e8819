"""Name the version of MMAD's question file by its questions and the keys of its images."""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

from mmad_rag.benchmark.data.dataset_names import COUNTS_AS
from mmad_rag.benchmark.data.mmad import Benchmark

DATASETS = frozenset({"DS-MVTec", "MVTec-LOCO", "VisA", "GoodsAD"})
"""MMAD's four datasets."""


class FileVersion(StrEnum):
    """A version of MMAD's question file that is in circulation."""

    PUBLISHED = "39,672 questions"
    """The version of the paper: every image of MVTec AD is keyed `DS-MVTec`."""
    REVISED = "39,670 questions"
    """The revision that `mmad-rag data download` fetches: pill's normal images are keyed `MVTec-AD`."""
    OTHER = "other"
    """Neither: a part of MMAD, a changed copy, or another question set."""


_QUESTIONS = {FileVersion.PUBLISHED: 39_672, FileVersion.REVISED: 39_670}


def version_of(benchmark: Benchmark) -> FileVersion:
    """The version of a question file, by the number of its questions and the first components of its keys."""
    keys = _keys(benchmark)
    extra = set(COUNTS_AS) & set(keys)
    for version, questions in _QUESTIONS.items():
        alike = len(benchmark.questions) == questions and set(keys) - extra <= DATASETS
        if alike and bool(extra) == (version is FileVersion.REVISED):
            return version
    return FileVersion.OTHER


def version_line(benchmark: Benchmark) -> str:
    """The version in one sentence, with the counts and keys that it is told by."""
    keys = ", ".join(f"{name} {images:,}" for name, images in _keys(benchmark).items())
    version = version_of(benchmark)
    if version is FileVersion.OTHER:
        named = "neither version of MMAD's mmad.json in circulation (39,672 and 39,670 questions)"
    else:
        newer = version is FileVersion.REVISED
        named = f"MMAD's mmad.json, {'revised' if newer else 'published'} version of {version}"
    told = f"{named}: {len(benchmark.questions):,} questions; images by key: {keys}"
    counted = [f"{name} counts as {COUNTS_AS[name]}" for name in COUNTS_AS if name in _keys(benchmark)]
    return "; ".join((told, *counted))


def _keys(benchmark: Benchmark) -> Counter[str]:
    """Number of images by the first component of their keys, in the file's order."""
    return Counter(path.split("/")[0] for path in benchmark.images)
