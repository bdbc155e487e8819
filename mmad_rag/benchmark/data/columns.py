"""The columns that questions are reported in, and the types of questions that fold into each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

AVERAGE = "Average"
"""The name of a table's last row and of its last column; no dataset and no type may be called so."""

WIDEST_HEADING = 12
"""Characters of a type that is its own heading in any case."""


class Subject(StrEnum):
    """What the questions of a column are about."""

    OBJECT = "object"
    """The object as it should be."""
    DEFECT = "defect"
    """What is wrong with it."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table of scores."""

    name: str
    """What `Question.subtask` says, e.g. `Object Analysis`."""
    heading: str
    """A short form of the name, e.g. `ObjAna`."""
    types: tuple[str, ...]
    """The raw types of questions that are reported in the column, at least one."""
    subject: Subject | None = None
    """What its questions are about; None where that is not known, or where it is neither."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a question set."""

    each: tuple[Column, ...]
    """In the order of the table."""
    detection: str | None = None
    """The name of the column whose questions ask whether an image is normal: its score is balanced accuracy,
    the mean of the accuracies on normal and on abnormal images. None for a set without such questions."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.each)

    @property
    def with_average(self) -> tuple[str, ...]:
        """The same, then `Average`."""
        return (*self.names, AVERAGE)

    @property
    def places(self) -> Mapping[str, int]:
        """Name -> position in the table, from 0."""
        return MappingProxyType({name: place for place, name in enumerate(self.names)})

    @property
    def headings(self) -> Mapping[str, str]:
        """Name -> heading, of `Average` too."""
        return MappingProxyType({**{column.name: column.heading for column in self.each}, AVERAGE: AVERAGE})

    @property
    def folds(self) -> Mapping[str, str]:
        """Raw type -> name of its column."""
        return MappingProxyType({raw: column.name for column in self.each for raw in column.types})


def own_columns(types: Sequence[str], beside: Sequence[Column] = ()) -> tuple[Column, ...]:
    """A column for every type that is reported under its own name.

    A long type of several words has a heading of the first three letters of each, unless another column
    would have the same one.

    Args:
        types: Different ones.
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
