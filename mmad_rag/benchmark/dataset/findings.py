"""What a check of a data folder has found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class FindingKind(StrEnum):
    """What may be the matter with a data folder."""

    BAD_QUESTIONS = "unusable questions"
    """mmad.json is absent or wrong."""
    MISSING_FILE = "missing file"
    """`hashes.json` lists it, and it is not there."""
    WRONG_BYTES = "wrong bytes"
    """It is not what `hashes.json` lists."""
    MISSING_IMAGE = "missing image"
    """Questions are about it, and it is not there: they are not asked."""
    UNREADABLE_IMAGE = "unreadable image"
    """It is there, and cannot be decoded."""
    MISSING_TEMPLATE = "missing template"
    """A normal example image that is not there: fewer examples can be shown."""
    LEADS_OUT = "link that leads out"
    """A link whose target is outside the data folder; it is followed."""
    SAME_IMAGE = "same image twice"
    """Two images that questions are about have the same bytes."""
    SAME_BYTES = "same bytes twice"
    """Two images have the same bytes, and at most one of them is asked about."""
    SAME_QUESTION = "same question twice"
    """An image is asked the same question with the same options twice."""
    ERRATUM = "known erratum"
    """The copy has, or may have, a mistake with a name."""
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
"""Findings after which somebody must do something; the others are notes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is the matter."""

    kind: FindingKind
    """What it is."""
    name: str
    """Which file, question or erratum, by its name; relative to the data folder."""
    detail: str = ""
    """What else is known; empty where kind and name say it all."""


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a data folder holds, with all that is the matter with it."""

    folder: Path
    """The data folder."""
    dataset: str | None
    """Where it was downloaded from; None without `hashes.json`."""
    revision: str | None
    """Commit of that."""
    questions: int
    """In mmad.json."""
    images: int
    """That questions are about."""
    opened: int
    """Images that were decoded: images and templates."""
    hashed: int
    """Files whose bytes were compared with `hashes.json`."""
    unused: tuple[str, ...]
    """Files that mmad.json does not name; they do no harm."""
    findings: tuple[Finding, ...]
    """In the order of `FindingKind`."""
    fast: bool
    """Whether no file was read but mmad.json."""

    @property
    def must_act(self) -> bool:
        """Whether somebody must do something before the data can be used as it is meant."""
        return any(finding.kind in MUST_ACT for finding in self.findings)
