"""The findings of a check of a data folder."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mmad_rag.benchmark.dataset.file_version import FileVersion


class FindingKind(StrEnum):
    """What can be wrong with a data folder."""

    BAD_QUESTIONS = "unusable questions"
    """mmad.json is absent or wrong."""
    MISSING_FILE = "missing file"
    """A file that `hashes.json` lists is absent."""
    WRONG_BYTES = "wrong bytes"
    """A file does not have the size or hash that `hashes.json` lists."""
    MISSING_IMAGE = "missing image"
    """An image that questions are about is absent: those questions are not asked."""
    UNREADABLE_IMAGE = "unreadable image"
    """An image is there but cannot be decoded."""
    MISSING_TEMPLATE = "missing template"
    """A normal example image is absent: fewer examples can be shown."""
    LEADS_OUT = "link that leads out"
    """A link has a target outside the data folder; it is followed."""
    SAME_IMAGE = "same image twice"
    """Two images that questions are about have the same bytes."""
    SAME_BYTES = "same bytes twice"
    """Two images have the same bytes, and at most one of them is asked about."""
    SAME_QUESTION = "same question twice"
    """An image is asked the same question with the same options twice."""
    ERRATUM = "known erratum"
    """The copy has, or may have, a known mistake."""
    NO_HASHES = "no hashes"
    """There is no `hashes.json`, so bytes cannot be checked."""


MUST_ACT = frozenset(
    {
        FindingKind.BAD_QUESTIONS,
        FindingKind.MISSING_FILE,
        FindingKind.WRONG_BYTES,
        FindingKind.MISSING_IMAGE,
        FindingKind.UNREADABLE_IMAGE,
    }
)
"""Findings that the user must act on; the others are notes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding in a data folder."""

    kind: FindingKind
    """Kind of the finding."""
    name: str
    """Name of the file (relative to the data folder), of the question or of the erratum."""
    detail: str = ""
    """Further details; empty if kind and name say everything."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """The contents of a data folder, with all findings."""

    folder: Path
    """The data folder."""
    dataset: str | None
    """Name of the data set that it was downloaded from; None without `hashes.json`."""
    revision: str | None
    """Commit of that data set."""
    questions: int
    """Number of questions in mmad.json."""
    images: int
    """Number of images that questions are about."""
    opened: int
    """Number of images that were decoded, templates included."""
    hashed: int
    """Number of files whose bytes were compared with `hashes.json`."""
    unused: tuple[str, ...]
    """Paths of files that mmad.json does not name; they do no harm."""
    findings: tuple[Finding, ...]
    """The findings in the order of `FindingKind`."""
    fast: bool
    """Whether only mmad.json was read."""
    version: FileVersion | None = None
    """The version of mmad.json; None if it cannot be used."""
    version_line: str = ""
    """The version in a sentence, with the counts and keys that it is told by."""

    @property
    def must_act(self) -> bool:
        """Whether the user must act before the data can be used as intended."""
        return any(finding.kind in MUST_ACT for finding in self.findings)
