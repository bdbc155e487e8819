"""The question sets whose columns are known, and the columns of all other sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from mmad_rag.benchmark.data.columns import AVERAGE, Columns, own_columns
from mmad_rag.benchmark.data.mmad import MMAD_COLUMNS
from mmad_rag.records import Question

KNOWN: tuple[Columns, ...] = (MMAD_COLUMNS,)
"""The columns of the question sets with folds, headings or a column order of their own."""


def columns_of(questions: Sequence[Question]) -> Columns:
    """The columns in which questions are reported; see `columns_named`."""
    return columns_named(question.subtask for question in questions)


def columns_named(names: Iterable[str]) -> Columns:
    """The columns that hold questions of these subtasks.

    A known set has all of its columns, including columns without questions. A set with other types has a
    column for each subtask that occurs: first those of known sets, in their order, then the others, in the
    order of their first question.

    Example:
        >>> columns_named(["Reading", "Anomaly Detection", "Counting"]).names
        ('Anomaly Detection', 'Reading', 'Counting')
    """
    there = dict.fromkeys(names)
    for known in KNOWN:
        if there.keys() <= set(known.names):
            return known
    listed = [column for known in KNOWN for column in known.each if column.name in there]
    others = [name for name in there if name not in {column.name for column in listed}]
    listed = [
        replace(column, heading=column.name) if column.heading in others else column for column in listed
    ]
    detection = next((known.detection for known in KNOWN if known.detection in there), None)
    return Columns((*listed, *own_columns(others, listed)), detection)


def headings_of(names: Sequence[str]) -> Mapping[str, str]:
    """Column -> its heading in a table with exactly these columns, in their order; `Average` may be one of
    them."""
    headings = columns_named(name for name in names if name != AVERAGE).headings
    return {name: headings[name] for name in names}
