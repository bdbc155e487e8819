"""Tell in what two runs differ, by their headers."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from mmad_rag.benchmark.run.records import CREATION_FIELDS, ArmHeader, RunHeader
from mmad_rag.errors import DataError


@dataclass(frozen=True, slots=True)
class HeaderDifference:
    """One thing that differs."""

    field: str
    """Of the header."""
    name: str
    """In words, e.g. `model of arm rag`."""
    first: object
    """Its value in one header."""
    second: object
    """Its value in the other."""


def header_differences(first: RunHeader, second: RunHeader) -> Iterator[HeaderDifference]:
    """Everything that the runs are and that differs; when and from where they were started does not count."""
    names = [",".join(arm.name for arm in header.arms) for header in (first, second)]
    if names[0] != names[1]:
        yield HeaderDifference("arms", "list of arms", *names)
    for one, other in zip(first.arms, second.arms, strict=False):
        for field in dataclasses.fields(ArmHeader):
            yield from _difference("arms", f"{field.name} of arm {other.name}", one, other, field.name)
    for field in dataclasses.fields(RunHeader):
        if field.name not in CREATION_FIELDS | {"arms"}:
            yield from _difference(field.name, field.name.replace("_", " "), first, second, field.name)


def refuse_another(
    found: RunHeader, wanted: RunHeader, folder: Path, *, passing_over: Collection[str] = ()
) -> None:
    """Refuse to go on with the run of a folder under another header, and name what differs.

    Args:
        found: The header in the folder.
        wanted: What the run would be now.
        folder: Of the run.
        passing_over: Fields that may differ.

    Raises:
        DataError: something else does; the message says how to go on.
    """
    for item in header_differences(found, wanted):
        if item.field in passing_over:
            continue
        mend = "give another --out, or the settings of that run"
        if item.field == "hard_sha256":
            mend = "leave --hard out, so that the run keeps the subset it was begun with"
        if item.field == "parser_version":
            mend = f"`mmad-rag rescore {folder}` reads its replies again without asking, then it goes on"
        raise DataError(
            f"{folder} holds a run with another {item.name}: {item.first!r} there, {item.second!r} now; "
            f"{mend}"
        )


def _difference(
    field: str, name: str, one: object, other: object, attribute: str
) -> Iterator[HeaderDifference]:
    before, after = getattr(one, attribute), getattr(other, attribute)
    if before != after:
        yield HeaderDifference(field, name, before, after)
