"""The columns in which questions are reported, and the question types that fold into each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

AVERAGE = "Average"
"""The name of a table's last row and of its last column; no dataset and no type may have it."""

WIDEST_HEADING = 12
"""Length of a type, in characters, up to which it is always its own heading."""


class Subject(StrEnum):
    """What the questions of a column are about."""

    OBJECT = "object"
    """The object as it should be."""
    DEFECT = "defect"
    """The defect of the object."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table of scores."""

    name: str
    """What `Question.subtask` says, e.g. `Object Analysis`."""
    heading: str
    """A short form of the name, e.g. `ObjAna`."""
    types: tuple[str, ...]
    """The raw types of the questions that are reported in the column, at least one."""
    subject: Subject | None = None
    """The subject of the column's questions; None if it is not known, or neither object nor defect."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a question set."""

    each: tuple[Column, ...]
    """The columns in the order of the table."""
    detection: str | None = None
    """The name of the column whose questions ask whether an image is normal: its score is balanced accuracy,
    the mean of the accuracies on normal and on abnormal images. None for a set without such questions."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.each)

    @property
    def with_average(self) -> tuple[str, ...]:
        """The columns' names in order, then `Average`."""
        return (*self.names, AVERAGE)

    @property
    def places(self) -> Mapping[str, int]:
        """Name -> position in the table, from 0."""
        return MappingProxyType({name: place for place, name in enumerate(self.names)})

    @property
    def headings(self) -> Mapping[str, str]:
        """Name -> heading, including that of `Average`."""
        return MappingProxyType({**{column.name: column.heading for column in self.each}, AVERAGE: AVERAGE})

    @property
    def folds(self) -> Mapping[str, str]:
        """Raw type -> name of its column."""
        return MappingProxyType({raw: column.name for column in self.each for raw in column.types})


def own_columns(types: Sequence[str], beside: Sequence[Column] = ()) -> tuple[Column, ...]:
    """A column for every type that is reported under its own name.

    The heading of a long type of several words joins the first three letters of each word, unless another
    column would have the same heading.

    Args:
        types: Raw types, all different.
        beside: The other columns of the table.

    Example:
        >>> [column.heading for column in own_columns(["Counting", "Scene Understanding"])]
        ['Counting', 'SceUnd']
    """
    short = {raw: _short(raw) for raw in types}
    taken = [*short.values(), *(column.heading for column in beside), AVERAGE]
    return tuple(
        Column(raw, heading if taken.count(heading) == 1 else raw, (raw,)) for raw, heading in short.items()
    )


def _short(raw_type: str) -> str:
    words = raw_type.split()
    if len(raw_type) <= WIDEST_HEADING or len(words) == 1:
        return raw_type
    return "".join(word[:1].upper() + word[1:3] for word in words)
