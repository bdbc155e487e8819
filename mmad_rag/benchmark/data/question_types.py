"""Find the column of every type in a file, and refuse types that are there by mistake."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from mmad_rag.benchmark.data.columns import AVERAGE
from mmad_rag.benchmark.data.strict_json import MEND
from mmad_rag.errors import DataError

MOST_TYPES = 100
"""Largest number of types that a question set may add: no table can show more, and more are not types."""

_BETWEEN = re.compile(r"[\s_-]+")
_UNSHOWABLE = {"Cc", "Zl", "Zp"}  # control characters, and separators of lines and paragraphs


class TypeReader:
    """Takes the types of one file one by one, and remembers them."""

    def __init__(self, folds: Mapping[str, str]) -> None:
        """Begin a file.

        Args:
            folds: Type -> name of its column, for the types that are known beforehand.
        """
        self._folds = folds
        self._spelled = {_plain(raw): raw for raw in (*self._folds, AVERAGE)}
        self._room = len(self._spelled) + MOST_TYPES

    def column_of(self, raw_type: str, where: str) -> str:
        """The column in which a type is reported: the one that it folds into, else one of its own name.

        Args:
            raw_type: The type as the file writes it.
            where: The question's place in the file, for messages.

        Raises:
            DataError: the type is another spelling of a known or an earlier one, is called `Average`, cannot
                be shown on one line, or exceeds the number of types.
        """
        if raw_type in self._folds:
            return self._folds[raw_type]
        if any(unicodedata.category(letter) in _UNSHOWABLE for letter in raw_type):
            raise DataError(f"{where}: the type {raw_type!r} holds a line end or control character; {MEND}")
        known = self._spelled.get(_plain(raw_type), raw_type)
        if known == AVERAGE:
            raise DataError(f"{where}: the type {raw_type!r} is called as the average is; rename it")
        if known != raw_type:
            raise DataError(
                f"{where}: the type {raw_type!r} is another spelling of {known!r}; spell them alike"
            )
        if _plain(raw_type) not in self._spelled and len(self._spelled) == self._room:
            raise DataError(
                f"{where}: {raw_type!r} is one type too many, a question set has at most {MOST_TYPES} of its "
                "own; give questions that are reported together the same type"
            )
        self._spelled[_plain(raw_type)] = raw_type
        return raw_type


def _plain(raw_type: str) -> str:
    """The type in one case, without spaces, hyphens and underscores."""
    return _BETWEEN.sub("", raw_type.casefold()) or raw_type
